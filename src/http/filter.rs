//! Filters as clients write them, in a message or in a URL, made into the domain's.

use std::str::FromStr;

use super::protocol::{self, ErrorCode, MessageType};
use crate::domain::{Bounds, Filter, MessageTypes, NodeId};

/// Most node ids in one filter: what a page of selected nodes may need, and no more.
const MAX_NODE_IDS: usize = 1000;

/// What is wrong with a filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidFilter {
    /// Which part.
    pub code: ErrorCode,
    /// What is wrong with it and what is allowed.
    pub message: String,
}

impl TryFrom<protocol::Filter> for Filter {
    type Error = InvalidFilter;

    fn try_from(filter: protocol::Filter) -> Result<Self, InvalidFilter> {
        let bounds = filter.bounds.map(|b| bounds(b.north, b.south, b.east, b.west)).transpose()?;
        let types = filter.message_types.map_or(MessageTypes::ALL, |types| {
            types.into_iter().fold(MessageTypes::NONE, |all, one| all.or(one.into()))
        });
        let made = Self { bounds, node_ids: None, types };
        match filter.node_ids {
            Some(ids) => with_ids(made, ids.iter().map(String::as_str)),
            None => Ok(made),
        }
    }
}

impl From<MessageType> for MessageTypes {
    fn from(kind: MessageType) -> Self {
        match kind {
            MessageType::Node => Self::NODE,
            MessageType::Position => Self::POSITION,
            MessageType::Telemetry => Self::TELEMETRY,
            MessageType::Message => Self::MESSAGE,
            MessageType::Status => Self::STATUS,
        }
    }
}

/// `west,south,east,north` in degrees.
pub(super) fn bbox(text: &str) -> Result<Bounds, InvalidFilter> {
    let invalid = || InvalidFilter {
        code: ErrorCode::InvalidBounds,
        message: format!("bbox is west,south,east,north in degrees, not {text:?}"),
    };
    let numbers: Result<Vec<f64>, _> = text.split(',').map(|part| part.trim().parse()).collect();
    match numbers.as_deref() {
        Ok(&[west, south, east, north]) => bounds(north, south, east, west),
        _ => Err(invalid()),
    }
}

/// A filter from the parts of a URL: `bbox`, `types` and `ids`, the lists comma-separated.
pub(super) fn from_query(
    bounds: Option<&str>,
    types: Option<&str>,
    ids: Option<&str>,
) -> Result<Filter, InvalidFilter> {
    let types = types.map_or(Ok(MessageTypes::ALL), |names| {
        split(names).try_fold(MessageTypes::NONE, |all, name| Ok(all.or(named_type(name)?)))
    })?;
    let filter = Filter { bounds: bounds.map(bbox).transpose()?, node_ids: None, types };
    match ids {
        Some(ids) => with_ids(filter, split(ids)),
        None => Ok(filter),
    }
}

fn split(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|part| !part.is_empty())
}

fn named_type(name: &str) -> Result<MessageTypes, InvalidFilter> {
    match name {
        "node" => Ok(MessageTypes::NODE),
        "position" => Ok(MessageTypes::POSITION),
        "telemetry" => Ok(MessageTypes::TELEMETRY),
        "message" => Ok(MessageTypes::MESSAGE),
        "status" => Ok(MessageTypes::STATUS),
        _ => Err(InvalidFilter {
            code: ErrorCode::InvalidMessage,
            message: format!("types are node, position, telemetry, message, status, not {name:?}"),
        }),
    }
}

fn bounds(north: f64, south: f64, east: f64, west: f64) -> Result<Bounds, InvalidFilter> {
    Bounds::new(north, south, east, west).map_err(|error| InvalidFilter {
        code: ErrorCode::InvalidBounds,
        message: error.to_string(),
    })
}

fn with_ids<'a>(
    filter: Filter,
    ids: impl Iterator<Item = &'a str>,
) -> Result<Filter, InvalidFilter> {
    let invalid = |message| InvalidFilter { code: ErrorCode::InvalidNodeIds, message };
    let ids: Vec<NodeId> = ids
        .take(MAX_NODE_IDS + 1)
        .map(NodeId::from_str)
        .collect::<Result<_, _>>()
        .map_err(|error| invalid(error.to_string()))?;
    if ids.len() > MAX_NODE_IDS {
        return Err(invalid(format!("a filter names at most {MAX_NODE_IDS} nodes")));
    }
    Ok(filter.with_node_ids(ids))
}

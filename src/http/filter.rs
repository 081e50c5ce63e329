//! Filters as clients write them, in a message or in a URL, made into the domain's.

use std::str::FromStr;

use serde_json::{Map, Value, json};

use super::protocol::{self, ErrorCode, MessageType};
use crate::domain::{Area, Bounds, Filter, MessageTypes, NodeId, Zoom};

/// Most node ids in one list of a filter: what a page of selected nodes may need, and no more.
const MAX_NODE_IDS: usize = 1000;

/// Most rectangles in one filter.
const MAX_RECTANGLES: usize = 8;

/// The kinds of messages by name.
const TYPES: [(&str, MessageTypes); 5] = [
    ("node", MessageTypes::NODE),
    ("position", MessageTypes::POSITION),
    ("telemetry", MessageTypes::TELEMETRY),
    ("message", MessageTypes::MESSAGE),
    ("status", MessageTypes::STATUS),
];

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
        let area = |rectangles: Vec<protocol::Bounds>| {
            area(rectangles.into_iter().map(|b| bounds(b.north, b.south, b.east, b.west)))
        };
        let types = filter.message_types.map_or(MessageTypes::ALL, |types| {
            types.into_iter().fold(MessageTypes::NONE, |all, one| all.or(one.into()))
        });
        let mut made = Self {
            bounds: filter.bounds.map(area).transpose()?,
            types,
            cells: filter.cells.map(|cells| zoom(cells.zoom)).transpose()?,
            ..Self::default()
        };
        if let Some(named) = filter.node_ids {
            made = made.with_node_ids(ids(named.iter().map(String::as_str))?);
        }
        if let Some(picked) = filter.also_ids {
            made = made.with_also_ids(ids(picked.iter().map(String::as_str))?);
        }
        Ok(made)
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

/// A filter as a client would write it.
pub(super) fn shown(filter: &Filter) -> Value {
    let mut shown = Map::new();
    let names = |ids: &[NodeId]| ids.iter().map(NodeId::to_string).collect::<Vec<_>>();
    if let Some(area) = &filter.bounds {
        let rectangles = area.rectangles().iter().map(|rectangle| {
            let [north, south, east, west] = rectangle.edges();
            json!({ "north": north, "south": south, "east": east, "west": west })
        });
        let mut rectangles: Vec<_> = rectangles.collect();
        let one = rectangles.pop_if(|_| area.rectangles().len() == 1);
        shown.insert("bounds".to_owned(), one.unwrap_or(Value::Array(rectangles)));
    }
    if let Some(ids) = &filter.node_ids {
        shown.insert("nodeIds".to_owned(), json!(names(ids)));
    }
    if !filter.also_ids.is_empty() {
        shown.insert("alsoIds".to_owned(), json!(names(&filter.also_ids)));
    }
    if filter.types != MessageTypes::ALL {
        let types = TYPES.iter().filter(|(_, one)| filter.types.or(*one) == filter.types);
        let types: Vec<_> = types.map(|(name, _)| name).collect();
        shown.insert("messageTypes".to_owned(), json!(types));
    }
    if let Some(zoom) = filter.cells {
        shown.insert("cells".to_owned(), json!({ "zoom": zoom.get() }));
    }
    Value::Object(shown)
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

/// A filter from the parts of a URL: `bbox` (up to eight), `types`, `ids`, `also` and `cells`, the
/// lists comma-separated; none when the URL has none of these. Other parts are not looked at.
pub(super) fn from_query(query: Option<&str>) -> Result<Option<Filter>, InvalidFilter> {
    let mut filter = Filter::default();
    let mut boxes = Vec::new();
    let mut given = false;
    for (name, value) in url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        match &*name {
            "bbox" => boxes.push(bbox(&value)),
            "types" => {
                let mut types = split(&value).map(named_type);
                filter.types = types.try_fold(MessageTypes::NONE, |all, one| Ok(all.or(one?)))?;
            }
            "ids" => filter = filter.with_node_ids(ids(split(&value))?),
            "also" => filter = filter.with_also_ids(ids(split(&value))?),
            "cells" => {
                // What is no number is no zoom.
                filter.cells = Some(zoom(value.trim().parse().unwrap_or(u32::MAX))?);
            }
            _ => continue,
        }
        given = true;
    }
    if !boxes.is_empty() {
        filter.bounds = Some(area(boxes.into_iter())?);
    }
    Ok(given.then_some(filter))
}

fn split(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|part| !part.is_empty())
}

fn named_type(name: &str) -> Result<MessageTypes, InvalidFilter> {
    let named = TYPES.iter().find(|(known, _)| *known == name);
    named.map(|(_, one)| *one).ok_or_else(|| InvalidFilter {
        code: ErrorCode::InvalidMessage,
        message: format!("types are node, position, telemetry, message, status, not {name:?}"),
    })
}

fn bounds(north: f64, south: f64, east: f64, west: f64) -> Result<Bounds, InvalidFilter> {
    Bounds::new(north, south, east, west).map_err(|error| InvalidFilter {
        code: ErrorCode::InvalidBounds,
        message: error.to_string(),
    })
}

fn area(
    rectangles: impl ExactSizeIterator<Item = Result<Bounds, InvalidFilter>>,
) -> Result<Area, InvalidFilter> {
    if rectangles.len() > MAX_RECTANGLES {
        return Err(InvalidFilter {
            code: ErrorCode::InvalidBounds,
            message: format!("a filter has at most {MAX_RECTANGLES} rectangles"),
        });
    }
    Ok(Area::new(rectangles.collect::<Result<Vec<_>, _>>()?))
}

fn zoom(zoom: u32) -> Result<Zoom, InvalidFilter> {
    Zoom::new(zoom).map_err(|error| InvalidFilter {
        code: ErrorCode::InvalidCells,
        message: error.to_string(),
    })
}

fn ids<'a>(ids: impl Iterator<Item = &'a str>) -> Result<Vec<NodeId>, InvalidFilter> {
    let invalid = |message| InvalidFilter { code: ErrorCode::InvalidNodeIds, message };
    let ids: Vec<NodeId> = ids
        .take(MAX_NODE_IDS + 1)
        .map(NodeId::from_str)
        .collect::<Result<_, _>>()
        .map_err(|error| invalid(error.to_string()))?;
    if ids.len() > MAX_NODE_IDS {
        return Err(invalid(format!("a filter names at most {MAX_NODE_IDS} nodes")));
    }
    Ok(ids)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_shown_as_it_was_written() {
        let rectangle = json!({ "north": 41.0, "south": 40.5, "east": -170.0, "west": 170.0 });
        for written in [
            json!({}),
            json!({ "bounds": rectangle, "messageTypes": ["node", "message"] }),
            json!({ "bounds": [rectangle, rectangle], "cells": { "zoom": 3 } }),
            json!({ "bounds": [], "nodeIds": [], "messageTypes": [] }),
            json!({ "nodeIds": ["!00000001", "sensor/1"], "alsoIds": ["!a1b2c3d4"] }),
        ] {
            let read: protocol::Filter = serde_json::from_value(written.clone()).unwrap();
            assert_eq!(shown(&read.try_into().unwrap()), written);
        }
    }
}

//! What a run leaves for the next one, as bytes. Nobody but geocast reads them.

use prost::Message;

use super::StoreError;
use crate::domain::{
    Continuation, ContinuedMessage, ContinuedNode, NodeId, Status, Timestamp, Tombstone,
};

#[derive(Clone, PartialEq, Message)]
struct Saved {
    #[prost(string, tag = "1")]
    epoch: String,
    #[prost(uint64, tag = "2")]
    revision: u64,
    #[prost(uint64, tag = "3")]
    horizon: u64,
    #[prost(uint32, tag = "4")]
    last_number: u32,
    #[prost(message, repeated, tag = "5")]
    nodes: Vec<SavedNode>,
    #[prost(message, repeated, tag = "6")]
    tombstones: Vec<SavedTombstone>,
    #[prost(message, repeated, tag = "7")]
    messages: Vec<SavedMessage>,
}

#[derive(Clone, PartialEq, Message)]
struct SavedNode {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(uint32, tag = "2")]
    number: u32,
    #[prost(uint64, repeated, tag = "3")]
    changed: Vec<u64>,
    #[prost(fixed64, tag = "4")]
    fingerprint: u64,
    #[prost(bool, tag = "5")]
    online: bool,
    #[prost(int64, tag = "6")]
    last_heard: i64,
}

#[derive(Clone, PartialEq, Message)]
struct SavedTombstone {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(uint32, tag = "2")]
    number: u32,
    #[prost(uint64, tag = "3")]
    revision: u64,
    #[prost(int64, tag = "4")]
    since: i64,
}

#[derive(Clone, PartialEq, Message)]
struct SavedMessage {
    #[prost(string, tag = "1")]
    from: String,
    #[prost(uint64, tag = "2")]
    packet_id: u64,
    #[prost(uint64, tag = "3")]
    revision: u64,
}

pub(super) fn to_bytes(left: &Continuation) -> Vec<u8> {
    let nodes = left.nodes.iter().map(|node| SavedNode {
        id: node.id.to_string(),
        number: node.number,
        changed: node.changed.to_vec(),
        fingerprint: node.fingerprint,
        online: node.status.online,
        last_heard: node.status.last_heard.as_millis(),
    });
    let tombstones = left.tombstones.iter().map(|tombstone| SavedTombstone {
        id: tombstone.id.to_string(),
        number: tombstone.number,
        revision: tombstone.revision,
        since: tombstone.since.as_millis(),
    });
    let messages = left.messages.iter().map(|message| SavedMessage {
        from: message.from.to_string(),
        packet_id: message.packet_id,
        revision: message.revision,
    });
    let saved = Saved {
        epoch: left.epoch.clone(),
        revision: left.revision,
        horizon: left.horizon,
        last_number: left.last_number,
        nodes: nodes.collect(),
        tombstones: tombstones.collect(),
        messages: messages.collect(),
    };
    saved.encode_to_vec()
}

pub(super) fn from_bytes(bytes: &[u8]) -> Result<Continuation, StoreError> {
    let corrupt = |value: String| StoreError::Corrupt { what: "continuation", value };
    let saved = Saved::decode(bytes).map_err(|error| corrupt(error.to_string()))?;
    let id = |text: String| text.parse::<NodeId>().map_err(|error| corrupt(error.to_string()));
    let nodes = saved.nodes.into_iter().map(|node| {
        let changed = node.changed.try_into();
        Ok(ContinuedNode {
            id: id(node.id)?,
            number: node.number,
            changed: changed.map_err(|_other: Vec<u64>| corrupt("groups of a node".to_owned()))?,
            fingerprint: node.fingerprint,
            status: Status {
                online: node.online,
                last_heard: Timestamp::from_millis(node.last_heard),
            },
        })
    });
    let tombstones = saved.tombstones.into_iter().map(|tombstone| {
        Ok(Tombstone {
            id: id(tombstone.id)?,
            number: tombstone.number,
            revision: tombstone.revision,
            since: Timestamp::from_millis(tombstone.since),
        })
    });
    let messages = saved.messages.into_iter().map(|message| {
        Ok(ContinuedMessage {
            from: id(message.from)?,
            packet_id: message.packet_id,
            revision: message.revision,
        })
    });
    Ok(Continuation {
        epoch: saved.epoch,
        revision: saved.revision,
        horizon: saved.horizon,
        last_number: saved.last_number,
        nodes: nodes.collect::<Result<_, StoreError>>()?,
        tombstones: tombstones.collect::<Result<_, StoreError>>()?,
        messages: messages.collect::<Result<_, StoreError>>()?,
    })
}

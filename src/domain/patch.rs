//! What one packet says, once it has been read.

use std::sync::Arc;

use super::{Info, Links, Network, NodeId, Place, Position, Readings, Timestamp};

/// What is told of a commit.
#[derive(Clone, Debug, PartialEq)]
pub enum Commit {
    /// It has begun, and the next tick should tell of it.
    Begun,
    /// It is made: what its new packets say, in order.
    Made(Vec<Patch>),
}

/// What one packet says about one node. What it does not mention stays as it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Patch {
    /// The node.
    pub node: NodeId,
    /// Where it comes from.
    pub network: Network,
    /// When the packet was heard: the gateway's time where that is plausible, else the arrival.
    pub heard: Timestamp,
    /// Who the node says that it is.
    pub info: Info,
    /// Where it is.
    pub position: Option<Position>,
    /// What it measured.
    pub telemetry: Option<Readings>,
    /// Whom it hears.
    pub links: Option<Arc<Links>>,
    /// What it said to everybody on its channel.
    pub message: Option<Arc<Message>>,
    /// Nothing is to be known of the node any more.
    pub leaves: bool,
}

impl Patch {
    /// A patch that says only that the node was heard.
    pub fn heard(node: NodeId, network: Network, heard: Timestamp) -> Self {
        Self {
            node,
            network,
            heard,
            info: Info::default(),
            position: None,
            telemetry: None,
            links: None,
            message: None,
            leaves: false,
        }
    }

    /// A patch that says that nothing is to be known of the node any more.
    pub fn leaves(node: NodeId, since: Timestamp) -> Self {
        Self { leaves: true, ..Self::heard(node, Network::Meshtastic, since) }
    }
}

/// A text, or a marked place, sent to everybody on a channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// Where it comes from.
    pub network: Network,
    /// The number of the packet that carried it.
    pub packet_id: u64,
    /// The sender.
    pub from: NodeId,
    /// Name of the channel.
    pub channel: Option<Box<str>>,
    /// The text; for a waypoint its name.
    pub text: Box<str>,
    /// When it was heard.
    pub time: Timestamp,
    /// The place marked, if it marks one.
    pub waypoint: Option<Waypoint>,
}

/// A place that somebody marked.
#[derive(Clone, Debug, PartialEq)]
pub struct Waypoint {
    /// The sender's number for it.
    pub id: u32,
    /// Where it is.
    pub place: Place,
    /// What the sender says of it.
    pub description: Box<str>,
    /// A Unicode code point to draw.
    pub icon: Option<u32>,
    /// When it ends.
    pub expires: Option<Timestamp>,
}

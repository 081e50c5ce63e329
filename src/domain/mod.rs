//! The pure heart: what is known, what changes, and who needs to hear of it.
//!
//! Nothing here awaits, asks the time, or touches the outside.

mod batch;
mod filter;
mod geo;
mod id;
mod info;
mod join;
mod logbook;
mod node;
mod packet;
mod patch;
pub mod policy;
mod role;
mod telemetry;
mod tile;
mod time;
mod track;
mod view;
mod world;

pub use batch::{Batch, Change, Sight, SightKind, Spoken, TouchedCell};
pub use filter::{Filter, MessageTypes};
pub use geo::{Area, Bounds, InvalidBounds, OffTheGlobe, Place};
pub use id::{InvalidNodeId, NodeId};
pub use info::Info;
pub use join::{Motion, Pair, Span, States, Viewports, Way};
pub use logbook::{Heard, Logbook, Page, Remark, SharedLogbook};
pub use node::{Groups, Link, Links, Network, Node, Position, Status};
pub use packet::{
    Filed, LinkObservation, LinkSource, OkToMqtt, PACKET_WINDOW, Packet, PacketKey, Reception,
    Report, Terms,
};
pub use patch::{Commit, Message, Patch, Waypoint};
pub use role::Role;
pub use telemetry::{Metric, Readings, Section, Telemetry};
pub use tile::{CellCount, InvalidZoom, Overlap, Tile, Zoom};
pub use time::{Clock, Stamp, Timestamp};
pub use track::{distance_m, simplify};
pub use view::View;
pub use world::{
    Continuation, ContinuedMessage, ContinuedNode, Gone, Lifetimes, Missed, Revision, Tombstone,
    World,
};

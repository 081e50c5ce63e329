//! What a packet carries: one message of the kind that its port says.

use meshtastic::protobufs::{
    Data, MapReport, NeighborInfo, Paxcount, PortNum, Position, RouteDiscovery, Telemetry, User,
    Waypoint,
};
use prost::Message;

use super::{header::Header, identity, links, messages, position, telemetry};
use crate::{
    domain::{LinkObservation, Patch},
    ingest::Refusal,
};

/// The content of a packet, in its form and not yet judged.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Content {
    Text(String),
    Position {
        position: Position,
        /// 0 shares nothing; none if nothing is said of the precision.
        precision_bits: Option<u32>,
    },
    NodeInfo(User),
    Waypoint(Waypoint),
    Paxcounter(Paxcount),
    Telemetry(Box<Telemetry>),
    Traceroute {
        route: RouteDiscovery,
        /// Whether this is the answer, on its way back.
        reply: bool,
    },
    Neighbours(NeighborInfo),
    MapReport(MapReport),
}

/// What a packet says of its sender and of links.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Said {
    pub(super) patch: Patch,
    pub(super) links: Vec<LinkObservation>,
    /// The number that the packet goes by.
    pub(super) id: u64,
    /// Whether the content is for its receiver alone, so that it is not kept.
    pub(super) private: bool,
}

impl Content {
    /// Parses the payload as its port says.
    pub(super) fn parse(data: &Data) -> Result<Self, Refusal> {
        let bytes = &*data.payload;
        let content = match data.portnum() {
            PortNum::TextMessageApp => {
                let text = String::from_utf8(bytes.to_vec());
                Self::Text(text.map_err(|_error| Refusal::Malformed)?)
            }
            PortNum::PositionApp => {
                let position: Position = message(bytes)?;
                let precision_bits = Some(position.precision_bits);
                Self::Position { position, precision_bits }
            }
            PortNum::NodeinfoApp => Self::NodeInfo(message(bytes)?),
            PortNum::WaypointApp => Self::Waypoint(message(bytes)?),
            PortNum::PaxcounterApp => Self::Paxcounter(message(bytes)?),
            PortNum::TelemetryApp => Self::Telemetry(Box::new(message(bytes)?)),
            PortNum::TracerouteApp => {
                Self::Traceroute { route: message(bytes)?, reply: data.request_id != 0 }
            }
            PortNum::NeighborinfoApp => Self::Neighbours(message(bytes)?),
            PortNum::MapReportApp => Self::MapReport(message(bytes)?),
            _ => return Err(Refusal::UnknownPort),
        };
        // Only a route that no hop has been added to is nothing at all.
        if bytes.is_empty() && !matches!(content, Self::Traceroute { .. }) {
            return Err(Refusal::Malformed);
        }
        Ok(content)
    }

    /// The port that carries it.
    pub(super) fn port(&self) -> PortNum {
        match self {
            Self::Text(_) => PortNum::TextMessageApp,
            Self::Position { .. } => PortNum::PositionApp,
            Self::NodeInfo(_) => PortNum::NodeinfoApp,
            Self::Waypoint(_) => PortNum::WaypointApp,
            Self::Paxcounter(_) => PortNum::PaxcounterApp,
            Self::Telemetry(_) => PortNum::TelemetryApp,
            Self::Traceroute { .. } => PortNum::TracerouteApp,
            Self::Neighbours(_) => PortNum::NeighborinfoApp,
            Self::MapReport(_) => PortNum::MapReportApp,
        }
    }

    /// The payload that carries it.
    pub(super) fn encode(&self) -> Vec<u8> {
        match self {
            Self::Text(text) => text.clone().into_bytes(),
            Self::Position { position, .. } => position.encode_to_vec(),
            Self::NodeInfo(user) => user.encode_to_vec(),
            Self::Waypoint(waypoint) => waypoint.encode_to_vec(),
            Self::Paxcounter(count) => count.encode_to_vec(),
            Self::Telemetry(telemetry) => telemetry.encode_to_vec(),
            Self::Traceroute { route, .. } => route.encode_to_vec(),
            Self::Neighbours(neighbours) => neighbours.encode_to_vec(),
            Self::MapReport(report) => report.encode_to_vec(),
        }
    }

    /// What it says, in a packet with this header and payload.
    pub(super) fn say(&self, header: &Header, payload: &[u8]) -> Result<Said, Refusal> {
        let id = header.packet_id(self.port() as u16, payload);
        let mut patch = header.heard_only();
        let mut seen = Vec::new();
        let mut private = false;
        match self {
            Self::Text(text) => {
                private = !header.is_broadcast();
                patch.message = messages::text(header, id, text);
            }
            Self::Waypoint(waypoint) => {
                private = !header.is_broadcast();
                patch.message = messages::waypoint(header, id, waypoint)?;
            }
            Self::Position { position, precision_bits } => {
                patch.position = Some(position::read(header, position, *precision_bits)?);
            }
            Self::NodeInfo(user) => identity::read_user(&mut patch.info, user)?,
            Self::MapReport(report) => {
                identity::read_map_report(&mut patch.info, report);
                patch.position = position::of_map_report(header, report);
            }
            Self::Telemetry(telemetry) => {
                patch.telemetry = telemetry::read(header, telemetry);
            }
            Self::Paxcounter(count) => {
                patch.telemetry = telemetry::read_paxcount(header, count);
            }
            Self::Neighbours(neighbours) => {
                (patch.links, seen) = links::read_neighbours(header, neighbours)?;
            }
            Self::Traceroute { route, reply } => {
                seen = links::read_route(header, route, *reply);
            }
        }
        Ok(Said { patch, links: seen, id, private })
    }
}

fn message<M: Message + Default>(bytes: &[u8]) -> Result<M, Refusal> {
    M::decode(bytes).map_err(|_error| Refusal::Malformed)
}

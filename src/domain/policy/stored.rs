//! The same decision about what was stored under another policy.

use std::{collections::BTreeSet, sync::Arc};

use super::{Denial, KeptOut, Policy, Rules, Treatment, Why};
use crate::domain::{Info, Links, Node, NodeId, OkToMqtt, Place, Position};

/// Ports of Meshtastic whose packets say each part of a state.
const NAMES: &[u16] = &[4, 73];
const POSITIONS: &[u16] = &[3, 73];
const READINGS: &[u16] = &[34, 67];
const NEIGHBOURS: &[u16] = &[71];

/// What is known of a packet that was stored.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// The sender.
    pub node: &'a NodeId,
    /// The channel.
    pub channel: Option<&'a str>,
    /// The port.
    pub port: u16,
    /// Whether its sender agreed.
    pub ok_to_mqtt: OkToMqtt,
    /// The name of the rules that it came in by; none for the general ones.
    pub source: Option<&'a str>,
}

/// What is stored of how the state of a node came about.
#[derive(Clone, Copy, Debug, Default)]
pub struct Past<'a> {
    /// The kinds of packets that it sent, the one heard last first.
    pub kinds: &'a [Row<'a>],
    /// The packet that said where it is.
    pub position: Option<Row<'a>>,
}

/// What becomes of something stored.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RowVerdict<T> {
    /// It stays.
    Stays,
    /// It stays, like this.
    Becomes(T),
    /// It goes.
    Goes,
}

/// What becomes of the state of a node.
#[derive(Clone, Debug, PartialEq)]
pub enum StateVerdict {
    /// It stays.
    Stays,
    /// It stays, like this.
    Becomes(Box<Node>),
    /// The node is not shown any more. What it said is looked through packet by packet.
    Hides,
    /// The node is not shown any more, and nothing of it is kept.
    Goes,
    /// It is kept out.
    Leaves(Why),
}

impl Past<'_> {
    /// The packet heard last that may have said what packets of these ports say.
    fn newest(&self, ports: &[u16]) -> Option<&Row<'_>> {
        let said = self.kinds.iter().find(|kind| ports.contains(&kind.port));
        said.or_else(|| self.kinds.first())
    }

    /// Whether what packets of these ports say may be shown: by the one heard last of each port.
    fn shows(&self, ports: &[u16], is_shown: impl Fn(&Row<'_>) -> bool) -> bool {
        let of = |port: &u16| self.kinds.iter().find(|kind| kind.port == *port);
        if ports.iter().any(|port| of(port).is_some()) {
            return ports.iter().filter_map(of).all(is_shown);
        }
        self.kinds.first().is_some_and(is_shown)
    }
}

impl Policy {
    /// What becomes of a stored packet, and with it of what it said in the histories: the packet
    /// without its content, where it is only shown.
    pub fn packet_stays(&self, row: &Row<'_>) -> RowVerdict<()> {
        match self.rules_named(row.source).treatment(row) {
            Ok(Treatment::Keep) => RowVerdict::Stays,
            Ok(Treatment::MapOnly) => RowVerdict::Becomes(()),
            Ok(Treatment::Drop) | Err(_) => RowVerdict::Goes,
        }
    }

    /// What becomes of the state of a node, by the rules of the sources that it came from.
    pub fn state_stays(&self, node: &Node, past: Past<'_>, kept_out: &KeptOut) -> StateVerdict {
        if kept_out.is_hidden(&node.id) {
            return StateVerdict::Goes;
        }
        let is_shown = |row: &Row<'_>| self.judge(row).is_ok();
        match past.kinds.first() {
            // Whether it agreed is not known any more, so it is shown only where that is no matter.
            None if self.general.admits(&node.id).is_err() => return StateVerdict::Goes,
            None if !self.general.shows_whatever_is_said() => return StateVerdict::Hides,
            Some(_) if !past.kinds.iter().any(is_shown) => return StateVerdict::Goes,
            Some(newest) if self.judge(newest) == Err(Denial::OkToMqtt) => {
                return StateVerdict::Hides;
            }
            _ => {}
        }
        let source = |row: Option<&Row<'_>>| self.rules_named(row.and_then(|row| row.source));
        if source(past.newest(NAMES)).opts_out(&node.info) == Some(true) {
            return StateVerdict::Leaves(Why::OptedOut);
        }
        let mut told = node.clone();
        let shows = |ports| past.kinds.is_empty() || past.shows(ports, is_shown);
        if let Some(position) = &node.position {
            let said = past.position.as_ref().or_else(|| past.newest(POSITIONS));
            let rules = source(said);
            let is_told = past.position.as_ref().map_or_else(|| shows(POSITIONS), is_shown);
            if is_told && !rules.in_region(rules.told(position).place) {
                return StateVerdict::Leaves(Why::OutsideRegion);
            }
            match rules.position_stays(&node.id, position) {
                _ if !is_told => told.position = None,
                RowVerdict::Stays => {}
                RowVerdict::Becomes(position) => told.position = Some(position),
                RowVerdict::Goes => told.position = None,
            }
        }
        if !shows(NAMES) {
            let channel = told.info.channel.clone();
            told.info = Arc::new(Info { channel, ..Info::default() });
        }
        if past.kinds.first().is_some_and(|newest| !is_shown(newest)) {
            Arc::make_mut(&mut told.info).channel = None;
        }
        if !shows(READINGS) {
            told.telemetry = Arc::default();
        }
        told.links = told.links.filter(|_| shows(NEIGHBOURS));
        let is_hidden = |id: &NodeId| !self.node_stays(id, kept_out);
        told.links = told.links.map(|links| without(links, is_hidden));
        if told == *node { StateVerdict::Stays } else { StateVerdict::Becomes(Box::new(told)) }
    }

    /// What is done with a packet as a whole, by the rules of its source.
    fn judge(&self, row: &Row<'_>) -> Result<Treatment, Denial> {
        self.rules_named(row.source).treatment(row)
    }

    /// What becomes of a stored position of `node`.
    pub fn position_stays(
        &self,
        node: &NodeId,
        position: &Position,
        source: Option<&str>,
    ) -> RowVerdict<Position> {
        self.rules_named(source).position_stays(node, position)
    }

    /// Whether a stored text of `node` may stay, which may mark a place.
    pub fn message_stays(&self, node: &NodeId, marks: Option<Place>, source: Option<&str>) -> bool {
        let rules = self.rules_named(source);
        rules.texts == Treatment::Keep
            && marks.is_none_or(|at| rules.in_region(at) && !rules.at_home(node, at))
    }

    /// Whether a node may be kept out because of where it is.
    pub fn has_regions(&self) -> bool {
        !self.general.regions.is_empty()
            || self.sources.iter().any(|source| !source.rules.regions.is_empty())
    }

    /// Nodes of which nothing is shown, whatever they come from: not that they are gateways, either.
    pub fn blocked(&self) -> impl Iterator<Item = &NodeId> {
        let is_blocked = |node: &&NodeId| {
            self.sources.iter().all(|source| source.rules.block_nodes.contains(*node))
        };
        self.general.block_nodes.iter().filter(is_blocked)
    }

    /// The lists of nodes that are not empty, and whether they say who is allowed.
    pub fn lists(&self) -> impl Iterator<Item = (&BTreeSet<NodeId>, bool)> {
        let Rules { allow_nodes, block_nodes, .. } = &self.general;
        [(allow_nodes, true), (block_nodes, false)].into_iter().filter(|(list, _)| !list.is_empty())
    }

    /// Whether anything that others say of a node may stay.
    pub fn node_stays(&self, node: &NodeId, kept_out: &KeptOut) -> bool {
        self.general.admits(node).is_ok() && !kept_out.is_hidden(node)
    }
}

impl Rules {
    fn position_stays(&self, node: &NodeId, position: &Position) -> RowVerdict<Position> {
        let told = self.told(position);
        let hidden = self.admits(node).is_err()
            || self.is_too_coarse(&told)
            || !self.in_region(told.place)
            || [position.place, told.place].iter().any(|place| self.at_home(node, *place));
        match told {
            _ if hidden => RowVerdict::Goes,
            told if told == *position => RowVerdict::Stays,
            told => RowVerdict::Becomes(told),
        }
    }

    /// Whether a packet is shown whatever it says of MQTT, and on whichever channel and port.
    fn shows_whatever_is_said(&self) -> bool {
        let said = [OkToMqtt::Yes, OkToMqtt::No, OkToMqtt::Absent];
        self.channels.is_empty()
            && self.ports.is_empty()
            && said.iter().all(|said| self.of_consent(*said) != Treatment::Drop)
    }
}

/// Neighbours without those that are hidden.
pub fn without(links: Arc<Links>, is_hidden: impl Fn(&NodeId) -> bool) -> Arc<Links> {
    if !links.neighbours.iter().any(|link| is_hidden(&link.id)) {
        return links;
    }
    let told = links.neighbours.iter().filter(|link| !is_hidden(&link.id));
    Arc::new(Links { stamp: links.stamp, neighbours: told.cloned().collect() })
}

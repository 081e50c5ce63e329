//! The same decision about what was stored under another policy.

use std::{collections::BTreeSet, iter::once};

use super::{Denial, KeptOut, Policy, Rules, Treatment};
use crate::domain::{Info, NodeId, OkToMqtt, Place, Position};

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

impl Policy {
    /// Whether a stored packet, and with it what it said, may stay in the histories.
    pub fn admits_packet(&self, row: &Row<'_>) -> Result<(), Denial> {
        match self.rules_named(row.source).treatment(row)? {
            Treatment::Keep => Ok(()),
            Treatment::MapOnly | Treatment::Drop => Err(Denial::OkToMqtt),
        }
    }

    /// Whether a node may be shown of which these packets are stored, the newest first: its sender
    /// agreed when it was last heard, and one of them at least may be shown.
    pub fn shows_sender<'a>(&self, rows: impl IntoIterator<Item = Row<'a>>) -> bool {
        let shows = |row: &Row<'_>| self.rules_named(row.source).treatment(row).is_ok();
        let mut rows = rows.into_iter();
        let Some(newest) = rows.next() else { return true };
        let agreed = self.rules_named(newest.source).of_consent(newest.ok_to_mqtt);
        agreed != Treatment::Drop && (shows(&newest) || rows.any(|row| shows(&row)))
    }

    /// What becomes of a stored position of `node`.
    pub fn position_stays(
        &self,
        node: &NodeId,
        position: &Position,
        source: Option<&str>,
    ) -> RowVerdict<Position> {
        let rules = self.rules_named(source);
        let told = rules.told(position);
        let hidden = rules.admits(node).is_err()
            || rules.is_too_coarse(&told)
            || !rules.in_region(told.place)
            || [position.place, told.place].iter().any(|place| rules.at_home(node, *place));
        match told {
            _ if hidden => RowVerdict::Goes,
            told if told == *position => RowVerdict::Stays,
            told => RowVerdict::Becomes(told),
        }
    }

    /// Whether a marked place of `node` may stay.
    pub fn waypoint_stays(&self, node: &NodeId, at: Place, source: Option<&str>) -> bool {
        let rules = self.rules_named(source);
        rules.in_region(at) && !rules.at_home(node, at)
    }

    /// Whether a stored position is in the region of the general rules.
    pub fn is_inside(&self, position: &Position) -> bool {
        self.general.in_region(self.general.told(position).place)
    }

    /// The names of the rules under which no texts are stored; none for the general ones.
    pub fn without_texts(&self) -> impl Iterator<Item = Option<&str>> {
        let named = self.sources.iter().map(|source| (Some(&*source.name), &source.rules));
        let all = once((None, &self.general)).chain(named);
        all.filter(|(_, rules)| rules.texts != Treatment::Keep).map(|(name, _)| name)
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

    /// Whether a node with these names asks not to be shown.
    pub fn opts_out(&self, info: &Info) -> bool {
        self.general.opts_out(info) == Some(true)
    }
}

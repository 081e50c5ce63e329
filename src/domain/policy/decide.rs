//! The decision.

use std::sync::Arc;

use super::{
    KeptOut, Left, Row, Rules, Standing, Treatment, Why,
    cell::{self, ALL_BITS},
    stored::without,
};
use crate::domain::{NodeId, Position, Report};

/// Stands for a gateway that is kept out: so that what others say is not lost with it.
const NOBODY: NodeId = NodeId::Radio(0);

/// Why a packet is neither kept nor shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Denial {
    /// Its sender does not agree that it goes to MQTT, or does not say.
    OkToMqtt,
    /// The name of its sender says so.
    OptedOut,
    /// An administrator had its sender forgotten.
    Forgotten,
    /// Its sender is blocked, or not among those allowed.
    Node,
    /// Its channel is not one that is kept.
    Channel,
    /// Its port is not one that is kept.
    Port,
    /// Its sender is outside the region.
    OutsideRegion,
}

/// What was done to a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Veil {
    /// It was coarsened.
    Coarsened,
    /// It is too coarse to show.
    TooCoarse,
    /// It is in a home zone.
    AtHome,
}

/// What was taken out of a packet that is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stripped {
    /// What was done to the position.
    pub position: Option<Veil>,
    /// Whether the text, or the marked place, was taken out.
    pub text: bool,
}

/// What is to be done with a packet.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// What is left of it, or why nothing is.
    pub report: Result<Box<Report>, Denial>,
    /// What was taken out.
    pub stripped: Stripped,
    /// Who is kept out from now on, or let in again.
    pub standing: Option<Standing>,
}

impl Rules {
    /// Decides what may be kept and shown of `report`, where these are kept out.
    pub fn decide(&self, report: Box<Report>, kept_out: &KeptOut) -> Decision {
        let mut stripped = Stripped::default();
        let (held, standing) = match self.standing(&report, kept_out) {
            Ok(standing) => (Ok(()), standing),
            Err((denial, standing)) => (Err(denial), standing),
        };
        let judged = held.and_then(|()| {
            self.admits(&report.packet.key.sender)?;
            self.treatment(&Row {
                node: &report.patch.node,
                channel: report.packet.channel.as_deref(),
                port: report.packet.port,
                ok_to_mqtt: report.terms.ok_to_mqtt,
                source: None,
            })
        });
        let report = judged.map(|treatment| {
            let mut report = report;
            report.terms.map_only |= treatment == Treatment::MapOnly;
            self.strip(&mut report, kept_out, &mut stripped);
            report
        });
        Decision { report, stripped, standing }
    }

    /// Whether the sender is kept out, by what it was and by what it says now.
    fn standing(
        &self,
        report: &Report,
        kept_out: &KeptOut,
    ) -> Result<Option<Standing>, (Denial, Option<Standing>)> {
        let patch = &report.patch;
        let node = &patch.node;
        let held = kept_out.get(node);
        let out = |why, since| Some(Standing::Out(node.clone(), Left { why, since }));
        if held.is_some_and(|left| left.why == Why::Forgotten) {
            return Err((Denial::Forgotten, None));
        }
        let opted_out = held.filter(|left| left.why == Why::OptedOut);
        let mut standing = None;
        match (self.opts_out(&patch.info), opted_out) {
            (Some(true), None) => return Err((Denial::OptedOut, out(Why::OptedOut, patch.heard))),
            (Some(true), Some(left)) => {
                let later = (patch.heard > left.since).then_some(patch.heard);
                return Err((Denial::OptedOut, later.and_then(|at| out(Why::OptedOut, at))));
            }
            // What was said before says nothing about now.
            (Some(false), Some(left)) if patch.heard >= left.since => {
                standing = Some(Standing::In(node.clone()));
            }
            (_, Some(_)) => return Err((Denial::OptedOut, None)),
            (_, None) => {}
        }
        let outside = held.filter(|left| left.why == Why::OutsideRegion);
        match (patch.position.as_ref(), outside) {
            (Some(position), _) if !self.in_region(self.told(position).place) => {
                let since = position.stamp.heard;
                let news = outside.is_none_or(|left| since > left.since);
                let news = news.then(|| out(Why::OutsideRegion, since)).flatten();
                return Err((Denial::OutsideRegion, news.or(standing)));
            }
            (Some(position), Some(left)) if position.stamp.heard >= left.since => {
                standing = Some(Standing::In(node.clone()));
            }
            // Regions may have been taken back.
            (_, Some(_)) if self.regions.is_empty() => standing = Some(Standing::In(node.clone())),
            (_, Some(_)) => return Err((Denial::OutsideRegion, standing)),
            (_, None) => {}
        }
        Ok(standing)
    }

    /// What is done with a packet as a whole; not [`Treatment::Drop`], which is a denial.
    pub(super) fn treatment(&self, packet: &Row<'_>) -> Result<Treatment, Denial> {
        self.admits(packet.node)?;
        if !self.ports.is_empty() && !self.ports.contains(&packet.port) {
            return Err(Denial::Port);
        }
        let channel = packet.channel.unwrap_or_default();
        if !self.channels.is_empty() && !self.channels.contains(channel) {
            return Err(Denial::Channel);
        }
        match self.of_consent(packet.ok_to_mqtt) {
            Treatment::Drop => Err(Denial::OkToMqtt),
            treatment => Ok(treatment),
        }
    }

    /// Whether anything is shown of this node.
    pub(super) fn admits(&self, node: &NodeId) -> Result<(), Denial> {
        let is_allowed = self.allow_nodes.is_empty() || self.allow_nodes.contains(node);
        (is_allowed && !self.block_nodes.contains(node)).then_some(()).ok_or(Denial::Node)
    }

    /// The position as it may be told.
    pub(super) fn told(&self, position: &Position) -> Position {
        cell::coarsened(position, self.precision.finest)
    }

    /// Whether a position, as it may be told, is too coarse to show.
    pub(super) fn is_too_coarse(&self, told: &Position) -> bool {
        told.precision_bits.unwrap_or(ALL_BITS) < self.precision.coarsest
    }

    /// Whether nothing is told of this node by others either.
    fn hides(&self, node: &NodeId, kept_out: &KeptOut) -> bool {
        kept_out.is_hidden(node) || self.admits(node).is_err()
    }

    /// Takes out what may not be told. The bytes of the packet say all of it, so they go with it.
    fn strip(&self, report: &mut Report, kept_out: &KeptOut, stripped: &mut Stripped) {
        let Report { packet, reception, patch, links, terms } = report;
        if let Some(position) = &mut patch.position {
            let told = self.told(position);
            let is_home =
                [position.place, told.place].iter().any(|at| self.at_home(&patch.node, *at));
            stripped.position = if is_home {
                Some(Veil::AtHome)
            } else if self.is_too_coarse(&told) {
                Some(Veil::TooCoarse)
            } else {
                (told != *position).then_some(Veil::Coarsened)
            };
            *position = told;
        }
        if matches!(stripped.position, Some(Veil::AtHome | Veil::TooCoarse)) {
            patch.position = None;
        }
        let mut changed = stripped.position.is_some();
        if let Some(message) = &patch.message {
            let marked = message.waypoint.as_ref().map(|waypoint| waypoint.place);
            let is_home = marked
                .is_some_and(|place| self.at_home(&patch.node, place) || !self.in_region(place));
            match self.texts {
                Treatment::Keep if !is_home => {}
                Treatment::MapOnly if !is_home => {
                    terms.map_only = true;
                }
                _ => {
                    patch.message = None;
                    stripped.text = true;
                    changed = true;
                }
            }
        }
        let before = links.len();
        links.retain(|link| !self.hides(&link.from, kept_out) && !self.hides(&link.to, kept_out));
        changed |= links.len() != before;
        if let Some(heard) = &mut patch.links {
            let told = without(Arc::clone(heard), |id| self.hides(id, kept_out));
            changed |= !Arc::ptr_eq(heard, &told);
            *heard = told;
        }
        let is_hidden = |node: &NodeId| kept_out.is_hidden(node) || self.block_nodes.contains(node);
        if is_hidden(&reception.gateway) {
            reception.gateway = NOBODY;
        }
        if packet.to.as_ref().is_some_and(is_hidden) {
            packet.to = None;
        }
        if changed || terms.map_only {
            packet.payload.clear();
        }
    }
}

//! The settings of a policy.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use super::{HomeZone, Region, cell};
use crate::domain::{Info, NodeId, OkToMqtt, Place};

/// What is done with something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Treatment {
    /// It is shown and stored.
    #[default]
    Keep,
    /// It is shown, and not stored in the histories.
    MapOnly,
    /// It is neither shown nor stored.
    Drop,
}

/// How exactly positions are told, in bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Precision {
    /// Finer positions are coarsened to the cell of this precision.
    pub finest: u8,
    /// Coarser positions are not shown.
    pub coarsest: u8,
}

/// How many positions of one node are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PositionRate {
    /// So many,
    pub positions: u16,
    /// in this time. Of more, the newest is taken when it is over.
    pub interval: Duration,
}

/// What is allowed of one source.
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    /// Packets whose sender agrees that they go to MQTT.
    pub ok_to_mqtt_yes: Treatment,
    /// Packets whose sender does not agree.
    pub ok_to_mqtt_no: Treatment,
    /// Packets of firmware that does not ask its owner.
    pub ok_to_mqtt_absent: Treatment,
    /// Texts and marked places.
    pub texts: Treatment,
    /// How exactly positions are told.
    pub precision: Precision,
    /// A node with one of these anywhere in a name is not shown.
    pub opt_out_marks: BTreeSet<Box<str>>,
    /// A node with a name that begins with one of these is not shown.
    pub opt_out_prefixes: BTreeSet<Box<str>>,
    /// Only these nodes; all if there is none.
    pub allow_nodes: BTreeSet<NodeId>,
    /// Not these nodes.
    pub block_nodes: BTreeSet<NodeId>,
    /// Only these channels; all if there is none.
    pub channels: BTreeSet<Box<str>>,
    /// Only these ports; all if there is none.
    pub ports: BTreeSet<u16>,
    /// Where positions are withheld.
    pub home_zones: Vec<HomeZone>,
    /// Nodes elsewhere are not shown; the whole globe if there is none.
    pub regions: Vec<Region>,
    /// How many positions of one node are taken; all if none is set.
    pub position_rate: Option<PositionRate>,
    /// Nodes, of all sources together, that are kept out by what is said. When there are so many,
    /// a further one is not remembered: only the packet that says it is refused.
    pub most_kept_out: usize,
}

/// Safe for a map that everybody sees.
impl Default for Rules {
    fn default() -> Self {
        Self {
            ok_to_mqtt_no: Treatment::Drop,
            opt_out_marks: [Box::from("\u{1f6ab}")].into(),
            ..Self::permissive()
        }
    }
}

impl Rules {
    /// Everything is kept and shown.
    pub fn permissive() -> Self {
        Self {
            ok_to_mqtt_yes: Treatment::Keep,
            ok_to_mqtt_no: Treatment::Keep,
            ok_to_mqtt_absent: Treatment::Keep,
            texts: Treatment::Keep,
            precision: Precision { finest: cell::ALL_BITS, coarsest: 1 },
            opt_out_marks: BTreeSet::new(),
            opt_out_prefixes: BTreeSet::new(),
            allow_nodes: BTreeSet::new(),
            block_nodes: BTreeSet::new(),
            channels: BTreeSet::new(),
            ports: BTreeSet::new(),
            home_zones: Vec::new(),
            regions: Vec::new(),
            position_rate: None,
            most_kept_out: 100_000,
        }
    }

    /// What is done with a packet whose sender says this.
    pub(super) fn of_consent(&self, said: OkToMqtt) -> Treatment {
        match said {
            OkToMqtt::Yes => self.ok_to_mqtt_yes,
            OkToMqtt::No => self.ok_to_mqtt_no,
            OkToMqtt::Absent => self.ok_to_mqtt_absent,
        }
    }

    /// Whether a node asks by its name not to be shown; none if nothing is said of its name.
    pub fn opts_out(&self, info: &Info) -> Option<bool> {
        let names = || [&info.long_name, &info.short_name].into_iter().flatten();
        let is_marked = names().any(|name| {
            self.opt_out_marks.iter().any(|mark| name.contains(&**mark))
                || self.opt_out_prefixes.iter().any(|prefix| name.starts_with(&**prefix))
        });
        names().next().map(|_| is_marked)
    }

    /// Whether these rules show a node at `place` at all.
    pub(super) fn in_region(&self, place: Place) -> bool {
        self.regions.is_empty() || self.regions.iter().any(|region| region.contains(place))
    }

    /// Whether `node` is not to be shown at `place`.
    pub(super) fn at_home(&self, node: &NodeId, place: Place) -> bool {
        self.home_zones.iter().any(|zone| zone.hides(node, place))
    }
}

/// Where a packet came in.
#[derive(Clone, Copy, Debug, Default)]
pub struct Origin<'a> {
    /// The broker, as it is named in the settings; none for the one inside.
    pub broker: Option<&'a str>,
    /// The topic.
    pub topic: &'a str,
}

/// Rules of one source.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceRules {
    /// What they are called: stored with what they were applied to.
    pub name: Arc<str>,
    /// Only of this broker; of any if none is named.
    pub broker: Option<Box<str>>,
    /// Only of topics that begin with these levels, of which `+` is any.
    pub topic: Option<Box<str>>,
    /// What is allowed.
    pub rules: Rules,
}

impl SourceRules {
    pub(super) fn fits(&self, origin: &Origin<'_>) -> bool {
        let of_topic = |levels: &str| {
            let mut topic = origin.topic.split('/');
            let mut fits =
                |level: &str| topic.next().is_some_and(|said| [said, "+"].contains(&level));
            levels.trim_end_matches('/').split('/').all(&mut fits)
        };
        self.broker.as_deref().is_none_or(|broker| origin.broker == Some(broker))
            && self.topic.as_deref().is_none_or(of_topic)
    }

    /// Of two that fit, the longer topic holds, then the one that names a broker.
    pub(super) fn weight(&self) -> (usize, bool) {
        (self.topic.as_deref().map_or(0, str::len), self.broker.is_some())
    }
}

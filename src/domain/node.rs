//! What is known of a node, and how a packet changes it.

use std::{fmt, hash::Hasher, sync::Arc, time::Duration};

use rustc_hash::FxHasher;

use super::{Info, NodeId, Patch, Place, Stamp, Telemetry, Timestamp, info::Newer};

/// Where a node comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Network {
    /// Meshtastic radios over MQTT.
    Meshtastic,
}

impl Network {
    /// The name in the protocol and in the database.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Meshtastic => "meshtastic",
        }
    }

    /// The network of this name.
    pub fn named(name: &str) -> Option<Self> {
        (name == Self::Meshtastic.name()).then_some(Self::Meshtastic)
    }
}

/// Where a node is, and how it moves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Position {
    /// The place; the middle of the cell when `precision_bits` is below 32.
    pub place: Place,
    /// Metres above the sea.
    pub altitude_m: Option<i32>,
    /// Kilometres an hour.
    pub ground_speed_kmh: Option<f32>,
    /// Degrees clockwise from north.
    pub ground_track_deg: Option<f32>,
    /// Satellites in view.
    pub sats_in_view: Option<u32>,
    /// 1-32: the place is exact to a cell of `2^(32 - bits)` units of 1e-7 degrees.
    pub precision_bits: Option<u8>,
    /// When the node was there.
    pub stamp: Stamp,
}

/// Whether a node lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// Heard within the time after which a node counts as offline.
    pub online: bool,
    /// When it was last heard.
    pub last_heard: Timestamp,
}

/// One neighbour that a node hears directly.
#[derive(Clone, Debug, PartialEq)]
pub struct Link {
    /// The neighbour.
    pub id: NodeId,
    /// How well it is heard, in dB.
    pub snr_db: Option<f32>,
}

/// The neighbours of a node as it last reported them.
#[derive(Clone, Debug, PartialEq)]
pub struct Links {
    /// When it reported them.
    pub stamp: Stamp,
    /// In the order reported.
    pub neighbours: Vec<Link>,
}

/// Which field groups of a node are meant: a set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Groups(u8);

impl Groups {
    /// No group.
    pub const NONE: Self = Self(0);
    /// Names, hardware, role, firmware, channel.
    pub const INFO: Self = Self(1);
    /// The position.
    pub const POSITION: Self = Self(2);
    /// Telemetry.
    pub const TELEMETRY: Self = Self(4);
    /// Online and last heard.
    pub const STATUS: Self = Self(8);
    /// Neighbours.
    pub const LINKS: Self = Self(16);
    /// Every group.
    pub const ALL: Self = Self(31);
    /// Every single group.
    pub const EACH: [Self; 5] =
        [Self::INFO, Self::POSITION, Self::TELEMETRY, Self::STATUS, Self::LINKS];

    /// Whether no group is in the set.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether the sets share a group.
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// The groups in both sets.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The groups that are not in the other set.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The groups in either set.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// All that is known of a node. Cloning is cheap: the large groups are shared until they change.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the names are their documentation")]
pub struct Node {
    pub id: NodeId,
    /// A small number that stands for the id as long as the epoch lasts; 0 outside the world.
    pub number: u32,
    pub network: Network,
    pub info: Arc<Info>,
    /// When the names in `info` were last stated. Its channel is that of the packet last heard.
    pub info_stamp: Stamp,
    pub position: Option<Position>,
    pub telemetry: Arc<Telemetry>,
    pub status: Status,
    pub links: Option<Arc<Links>>,
}

impl Node {
    /// A node of which nothing is known but that `patch` is about it. It is online until the
    /// world, which knows the time, says otherwise.
    pub fn heard_first(patch: &Patch) -> Self {
        Self {
            id: patch.node.clone(),
            number: 0,
            network: patch.network,
            info: Arc::default(),
            info_stamp: Stamp::heard(Timestamp::from_millis(i64::MIN)),
            position: None,
            telemetry: Arc::default(),
            status: Status { online: true, last_heard: patch.heard },
            links: None,
        }
    }

    /// Where it is, if that is known.
    pub fn place(&self) -> Option<Place> {
        self.position.map(|position| position.place)
    }

    /// Whether it has been silent for so long by `now` that nothing is known of it any more.
    pub fn is_forgotten(&self, forget_after: Duration, now: Timestamp) -> bool {
        self.status.last_heard.plus(forget_after) <= now
    }

    /// A hash of everything but the number and the status: another one means another state. Only
    /// the same build of this program makes the same hash of the same state for certain.
    pub fn fingerprint(&self) -> u64 {
        struct Hashing(FxHasher);
        impl fmt::Write for Hashing {
            fn write_str(&mut self, text: &str) -> fmt::Result {
                self.0.write(text.as_bytes());
                Ok(())
            }
        }
        let Self {
            id,
            number: _,
            network,
            info,
            info_stamp,
            position,
            telemetry,
            status: _,
            links,
        } = self;
        let mut hashing = Hashing(FxHasher::default());
        let state = (id, network, info, info_stamp, position, telemetry, links);
        let written = fmt::Write::write_fmt(&mut hashing, format_args!("{state:?}"));
        debug_assert!(written.is_ok(), "hashing takes whatever is written");
        hashing.0.finish()
    }

    /// Takes in what `patch` says and names the groups that changed: in each, the newest source
    /// time wins. Whether the node is online is not decided here.
    pub fn merge(&mut self, patch: &Patch) -> Groups {
        let mut news = Groups::NONE;
        let channel = patch.heard >= self.status.last_heard;
        if patch.heard > self.status.last_heard {
            self.status.last_heard = patch.heard;
            news = news.or(Groups::STATUS);
        }
        let info_stamp = Stamp::heard(patch.heard);
        let newer = Newer { names: info_stamp.supersedes(&self.info_stamp), channel };
        if patch.info.adds_to(&self.info, newer) {
            Arc::make_mut(&mut self.info).take(&patch.info, newer);
            news = news.or(Groups::INFO);
        }
        if newer.names && patch.info.says_who() {
            self.info_stamp = info_stamp;
        }
        if let Some(position) = &patch.position
            && self.position.is_none_or(|held| position.stamp.supersedes(&held.stamp))
        {
            if self.position.is_none_or(|held| !held.looks_like(position)) {
                news = news.or(Groups::POSITION);
            }
            self.position = Some(*position);
        }
        if let Some(readings) = &patch.telemetry
            && Arc::make_mut(&mut self.telemetry).merge(readings)
        {
            news = news.or(Groups::TELEMETRY);
        }
        if let Some(links) = &patch.links
            && self.links.as_ref().is_none_or(|held| links.stamp.supersedes(&held.stamp))
        {
            let same = self.links.as_ref().is_some_and(|held| {
                held.stamp.time == links.stamp.time && held.neighbours == links.neighbours
            });
            if !same {
                self.links = Some(Arc::clone(links));
                news = news.or(Groups::LINKS);
            }
        }
        news
    }
}

impl Position {
    /// Whether a client could not tell the two apart.
    fn looks_like(&self, other: &Self) -> bool {
        Self { stamp: other.stamp, ..*self } == *other && self.stamp.time == other.stamp.time
    }
}

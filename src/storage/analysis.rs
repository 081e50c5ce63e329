//! What is asked of a stretch of time as a whole.

use crate::domain::{NodeId, Timestamp};

/// A stretch of time: packets that came to this server in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// At this time or later.
    pub from: Timestamp,
    /// Before this time.
    pub to: Timestamp,
}

/// Readings of one kind, taken together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// How many there are, at least one.
    pub count: u64,
    /// The least.
    pub min: f64,
    /// Their sum by their number.
    pub mean: f64,
    /// The greatest.
    pub max: f64,
}

impl Spread {
    /// One reading.
    pub fn of(value: f64) -> Self {
        Self { count: 1, min: value, mean: value, max: value }
    }

    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let count = self.count + other.count;
        #[expect(clippy::cast_precision_loss, reason = "so many readings there never are")]
        let share = other.count as f64 / count as f64;
        Self {
            count,
            min: self.min.min(other.min),
            mean: self.mean + (other.mean - self.mean) * share,
            max: self.max.max(other.max),
        }
    }
}

/// What one gateway heard of one sender.
#[derive(Clone, Debug, PartialEq)]
pub struct HeardOf {
    /// Who handed it to MQTT.
    pub gateway: NodeId,
    /// Who sent it.
    pub sender: NodeId,
    /// How many packets.
    pub receptions: u64,
    /// How many of them without a hop between, of those that say.
    pub direct: u64,
    /// When the first came to this server.
    pub first: Timestamp,
    /// When the last did.
    pub last: Timestamp,
    /// Signal to noise, in dB.
    pub snr_db: Option<Spread>,
    /// Signal strength, in dBm.
    pub rssi_dbm: Option<Spread>,
}

/// What a gateway states of a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SignalKind {
    /// Signal to noise, in dB.
    Snr,
    /// Signal strength, in dBm.
    Rssi,
}

impl SignalKind {
    /// How wide a class of its histogram is, in its unit.
    pub const fn class_width(self) -> i32 {
        match self {
            Self::Snr => 2,
            Self::Rssi => 10,
        }
    }
}

/// How many packets a gateway heard with a signal of one class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignalCount {
    /// Who heard them.
    pub gateway: NodeId,
    /// What was measured.
    pub kind: SignalKind,
    /// The middle of the class, a multiple of its [width](SignalKind::class_width).
    pub middle: i32,
    /// How many.
    pub receptions: u64,
}

/// What gateways heard.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Hearing {
    /// By gateway and sender, in no order.
    pub heard: Vec<HeardOf>,
    /// By gateway, kind and class, in no order.
    pub signals: Vec<SignalCount>,
}

/// How much there was in one bucket of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Total {
    /// When it begins.
    pub time: Timestamp,
    /// Packets.
    pub packets: u64,
    /// Different nodes that sent them.
    pub senders: u64,
    /// Copies of them.
    pub receptions: u64,
    /// Different gateways that handed those in.
    pub gateways: u64,
}

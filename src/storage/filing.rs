//! Which reports are new: the rule, apart from any database.

use std::{cmp::Reverse, time::Duration};

use rustc_hash::{FxHashMap, FxHashSet};

use crate::domain::{Filed, NodeId, PACKET_WINDOW, PacketKey, Reception, Report, Timestamp};

/// A shorter silence around a start is not noted: it ages packets as time does.
const SHORTEST_ABSENCE: Duration = Duration::from_mins(1);

/// The spans in which this server did not run, as far as the store can tell: from the last packet
/// before a stop to the first one after the start.
///
/// They do not count towards [`PACKET_WINDOW`]. What the broker held meanwhile, and what it
/// delivers again because the acknowledgement was lost, would otherwise be stored a second time
/// when the server was away for longer than the window. The spans are stored too, so that the rule
/// holds for everything delivered late, in however many commits and after however many stops.
#[derive(Clone, Debug, Default)]
pub(super) struct Absences {
    /// Newest last.
    spans: Vec<Absence>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Absence {
    pub(super) began: Timestamp,
    pub(super) ended: Timestamp,
}

impl Absence {
    /// The absence between the last packet before a stop and the first one after it, if the two
    /// lie far enough apart.
    pub(super) fn between(last: Timestamp, first: Timestamp) -> Option<Self> {
        (first.since(last) > SHORTEST_ABSENCE).then_some(Self { began: last, ended: first })
    }
}

impl Absences {
    /// From spans in the order in which they were noted.
    pub(super) fn new(spans: Vec<Absence>) -> Self {
        Self { spans }
    }

    pub(super) fn note(&mut self, absence: Absence) {
        self.spans.push(absence);
    }

    /// The earliest first copy that `reception` can be a further copy of, or the same again.
    ///
    /// What a broker delivers again may have come and been stored at any time since its session
    /// began, however long the connection was lost in between.
    pub(super) fn reach_back(&self, reception: &Reception) -> Timestamp {
        let Reception { arrived, redelivered_since, .. } = *reception;
        let since = redelivered_since.map_or(arrived, |since| since.min(arrived));
        self.window_before(since, arrived)
    }

    /// The begin of the window that ends at `since`, as it is known at `arrived`.
    pub(super) fn window_before(&self, since: Timestamp, arrived: Timestamp) -> Timestamp {
        let mut earliest = since.minus(PACKET_WINDOW);
        for absence in self.spans.iter().rev().filter(|absence| absence.ended <= arrived) {
            // To the millisecond: what came last before it is as old as the window then.
            if absence.ended < earliest {
                break;
            }
            earliest = earliest.minus(absence.ended.since(absence.began));
        }
        earliest
    }
}

/// A packet that is stored, or about to be.
#[derive(Clone, Copy, Debug)]
struct Known {
    row: i64,
    received_at: Timestamp,
}

/// Decides report by report, in the order of a batch, from what the database said beforehand of
/// all of them.
#[derive(Debug)]
pub(super) struct Filing<'a, R> {
    absences: &'a Absences,
    packets: FxHashMap<&'a PacketKey, Vec<Known>>,
    receptions: FxHashSet<(i64, &'a NodeId)>,
    rows: R,
}

/// What becomes of a report.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) filed: Filed,
    /// The row of its packet.
    pub(super) row: i64,
    /// When the first copy of its packet arrived.
    pub(super) received_at: Timestamp,
}

/// The first copies that any of `batch` can be a further copy of were received between these.
pub(super) fn span(absences: &Absences, batch: &[&Report]) -> (Timestamp, Timestamp) {
    let receptions = || batch.iter().map(|report| &report.reception);
    let first = receptions().map(|reception| absences.reach_back(reception)).min();
    let last = receptions().map(|reception| reception.arrived.plus(PACKET_WINDOW)).max();
    (first.unwrap_or_default(), last.unwrap_or_default())
}

impl<'a, R: Iterator<Item = i64>> Filing<'a, R> {
    /// New packets get these rows, of which there must be as many as reports.
    pub(super) fn new(absences: &'a Absences, rows: R) -> Self {
        Self { absences, packets: FxHashMap::default(), receptions: FxHashSet::default(), rows }
    }

    /// Takes in that the database holds a packet of the key of `report`, and whether it holds the
    /// copy of the gateway of `report` as well.
    pub(super) fn found(
        &mut self,
        report: &'a Report,
        row: i64,
        received_at: Timestamp,
        copy: bool,
    ) {
        let known = self.packets.entry(&report.packet.key).or_default();
        if known.iter().all(|known| known.row != row) {
            known.push(Known { row, received_at });
        }
        if copy {
            self.receptions.insert((row, &report.reception.gateway));
        }
    }

    /// Decides what becomes of `report`.
    pub(super) fn file(&mut self, report: &'a Report) -> Entry {
        let Report { packet, reception, .. } = report;
        let earliest = self.absences.reach_back(reception);
        let latest = reception.arrived.plus(PACKET_WINDOW);
        let known = self.packets.entry(&packet.key).or_default();
        let reach = earliest..=latest;
        // The newest until then. Only a clock that went back, or a recording of earlier times,
        // finds one that came later, and of those the first: so that what is told twice is filed
        // the same way twice.
        let first_copy = known
            .iter()
            .filter(|known| reach.contains(&known.received_at))
            .min_by_key(|known| {
                let later = known.received_at.since(reception.arrived);
                let ago = reception.arrived.since(known.received_at);
                (later, ago, Reverse(known.row))
            })
            .copied();
        let is_new = first_copy.is_none();
        let first_copy = first_copy.unwrap_or_else(|| {
            let row = self.rows.next().expect("there is a row for every report");
            let first_copy = Known { row, received_at: reception.arrived };
            known.push(first_copy);
            first_copy
        });
        let Known { row, received_at } = first_copy;
        let stored_now = self.receptions.insert((row, &reception.gateway));
        let filed = match (is_new, stored_now) {
            (true, _) => Filed::Packet,
            (false, true) => Filed::Reception,
            (false, false) => Filed::Duplicate,
        };
        Entry { filed, row, received_at }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minute(minute: u32) -> Timestamp {
        Timestamp::from_seconds(minute * 60)
    }

    fn heard(at: u32) -> Reception {
        Reception {
            gateway: NodeId::Radio(1),
            arrived: minute(at),
            redelivered_since: None,
            snr_db: None,
            rssi_dbm: None,
            hop_start: None,
            hop_limit: None,
        }
    }

    #[test]
    fn without_absences_the_window_is_as_long_as_it_says() {
        assert_eq!(Absences::default().reach_back(&heard(100)), minute(85));
    }

    #[test]
    fn an_absence_does_not_count() {
        let absent = |began, ended| Absence { began: minute(began), ended: minute(ended) };
        // Awake: 0-10, 70-75, 200 onwards.
        let absences = Absences::new(vec![absent(10, 70), absent(75, 200)]);
        assert_eq!(absences.reach_back(&heard(200)), minute(0));
        assert_eq!(absences.reach_back(&heard(202)), minute(2));
        assert_eq!(absences.reach_back(&heard(211)), minute(71));
        assert_eq!(absences.reach_back(&heard(215)), minute(75));
        assert_eq!(absences.reach_back(&heard(216)), minute(201));
        assert_eq!(absences.reach_back(&heard(300)), minute(285));
        // A clock that went back: what is yet to come was no absence.
        assert_eq!(absences.reach_back(&heard(100)), minute(85));
    }

    #[test]
    fn what_is_delivered_again_reaches_back_to_the_begin_of_its_session() {
        let again = |at, since| Reception { redelivered_since: Some(minute(since)), ..heard(at) };
        assert_eq!(Absences::default().reach_back(&again(300, 100)), minute(85));
        // The first packet after a start ends the absence, a little after the session began.
        let absences = Absences::new(vec![Absence { began: minute(10), ended: minute(101) }]);
        assert_eq!(absences.reach_back(&again(102, 100)), Timestamp::from_millis(-6 * 60_000));
        assert_eq!(absences.reach_back(&again(300, 100)), Timestamp::from_millis(-6 * 60_000));
        // A clock that went back.
        assert_eq!(Absences::default().reach_back(&again(50, 100)), minute(35));
    }

    #[test]
    fn a_short_silence_is_no_absence() {
        assert_eq!(Absence::between(minute(1), minute(2)), None);
        assert!(Absence::between(minute(1), minute(3)).is_some());
        assert_eq!(Absence::between(minute(3), minute(1)), None);
    }
}

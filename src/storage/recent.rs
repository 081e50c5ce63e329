//! What was stored last, as the database holds it: most copies are filed by it alone, and most nodes
//! need not be read.

use rustc_hash::FxHashMap;

use crate::{
    domain::{Filed, Node, NodeId, PacketKey, Report, Timestamp},
    storage::{
        filing::{Absences, Entry, Filing},
        sql::nodes::NodeRow,
    },
};

/// Nodes that are remembered. When there are more, all are forgotten and read again.
const MOST_NODES: usize = 10_000;

/// Packets that are remembered: as many at least, and less than twice as many. One with two
/// gateways takes about 200 bytes.
const GENERATION: usize = 1 << 16;

/// Adds nodes as they were committed.
pub(super) fn remember_nodes(remembered: &mut FxHashMap<NodeId, Node>, nodes: Vec<NodeRow>) {
    if remembered.len() + nodes.len() > MOST_NODES {
        remembered.clear();
    }
    remembered.extend(nodes.into_iter().map(|NodeRow(node)| (node.id.clone(), node)));
}

/// A packet in the database.
#[derive(Clone, Debug)]
struct Stored {
    row: i64,
    received_at: Timestamp,
    /// Those whose copies are stored.
    gateways: Vec<NodeId>,
}

/// What was committed since some time, all of it: for what came later nobody needs to ask. Whoever
/// keeps it knows that nobody else stores packets, or notices it before they are asked for here.
#[derive(Debug)]
pub(super) struct Recent {
    /// Packets in a generation: as many are remembered at least, and less than twice as many.
    generation: usize,
    /// Packets received until then may be stored without being here.
    unknown_until: Timestamp,
    young: Generation,
    old: Generation,
}

#[derive(Debug)]
struct Generation {
    packets: FxHashMap<PacketKey, Stored>,
    first_row: i64,
    latest: Timestamp,
}

impl Default for Generation {
    fn default() -> Self {
        let packets = FxHashMap::default();
        Self { packets, first_row: i64::MAX, latest: Timestamp::from_millis(i64::MIN) }
    }
}

impl Recent {
    /// A memory of nothing yet, beside a database whose packets were received until then; none if
    /// it holds no packets.
    pub(super) fn beside(until: Option<Timestamp>) -> Self {
        Self::new(GENERATION, until.unwrap_or(Timestamp::from_millis(i64::MIN)))
    }

    fn new(generation: usize, until: Timestamp) -> Self {
        Self {
            generation,
            unknown_until: until,
            young: Generation::default(),
            old: Generation::default(),
        }
    }

    /// Takes everything out of memory for a commit of `batch`, until it is certain what became of
    /// it.
    pub(super) fn recall(&mut self, batch: &[&Report]) -> Self {
        let arrived = batch.iter().map(|report| report.reception.arrived);
        let latest = arrived.chain([self.young.latest, self.old.latest]);
        let until = latest.fold(self.unknown_until, Timestamp::max);
        std::mem::replace(self, Self::new(self.generation, until))
    }

    /// Forgets the packets up to this row, which are about to be removed.
    pub(super) fn forget_until(&mut self, row: i64) {
        for generation in [&mut self.young, &mut self.old] {
            if generation.first_row > row {
                continue;
            }
            let forgotten = generation.packets.extract_if(|_, stored| stored.row <= row);
            let latest = forgotten.map(|(_, stored)| stored.received_at).max();
            self.unknown_until =
                latest.map_or(self.unknown_until, |latest| latest.max(self.unknown_until));
            generation.first_row = row + 1;
        }
    }

    /// Forgets the packets of a node, which are about to be removed.
    pub(super) fn forget_sender(&mut self, node: &NodeId) {
        for generation in [&mut self.young, &mut self.old] {
            generation.packets.retain(|key, _| key.sender != *node);
        }
    }

    /// Forgets who handed in the copies of a gateway that is not told of any more: it is read again.
    pub(super) fn forget_gateway(&mut self, node: &NodeId) {
        let is_in = |stored: &Stored| stored.gateways.contains(node);
        let known = [&self.young, &self.old].into_iter();
        if known.flat_map(|generation| generation.packets.values()).any(is_in) {
            let latest = self.unknown_until.max(self.young.latest).max(self.old.latest);
            *self = Self::new(self.generation, latest);
        }
    }

    /// What is remembered of this packet.
    fn of(&self, key: &PacketKey) -> impl Iterator<Item = &Stored> {
        [&self.young, &self.old].into_iter().filter_map(|generation| generation.packets.get(key))
    }

    /// Whether no look into the database can change what becomes of `report`: either all that it
    /// could be a copy of is remembered, or the newest such packet is.
    fn settles(&self, report: &Report, absences: &Absences) -> bool {
        let reception = &report.reception;
        let newest = || {
            let mut known = self.of(&report.packet.key).map(|stored| stored.received_at);
            known.any(|at| at > self.unknown_until && at <= reception.arrived)
        };
        let earliest = absences.reach_back(reception);
        self.unknown_until < earliest || newest()
    }

    /// Tells `filing` what is remembered of the packets of `batch`. Those of which it does not
    /// settle what becomes of them come back, the copies of a packet together.
    pub(super) fn tell<'a, R: Iterator<Item = i64>>(
        &self,
        batch: &[&'a Report],
        absences: &Absences,
        filing: &mut Filing<'a, R>,
    ) -> Vec<Vec<&'a Report>> {
        let mut copies = batch.to_vec();
        copies.sort_by(|one, other| one.packet.key.cmp(&other.packet.key));
        let mut unknown = Vec::new();
        for copies in copies.chunk_by(|one, other| one.packet.key == other.packet.key) {
            if !copies.iter().all(|report| self.settles(report, absences)) {
                unknown.push(copies.to_vec());
                continue;
            }
            for report in copies {
                for Stored { row, received_at, gateways } in self.of(&report.packet.key) {
                    let copy = gateways.contains(&report.reception.gateway);
                    filing.found(report, *row, *received_at, copy);
                }
            }
        }
        unknown
    }

    /// Takes in what became of the reports of a batch that was committed.
    pub(super) fn remember_all(&mut self, batch: &[&Report], entries: &[Entry]) {
        for (report, entry) in batch.iter().zip(entries) {
            self.remember(report, *entry);
        }
    }

    fn remember(&mut self, report: &Report, entry: Entry) {
        let Report { packet, reception, .. } = report;
        let Entry { filed, row, received_at } = entry;
        match filed {
            Filed::Packet => {
                if self.young.packets.len() >= self.generation
                    || self.young.packets.contains_key(&packet.key)
                {
                    self.age();
                }
                let gateways = vec![reception.gateway.clone()];
                self.young.first_row = self.young.first_row.min(row);
                self.young.latest = self.young.latest.max(received_at);
                self.young
                    .packets
                    .insert(packet.key.clone(), Stored { row, received_at, gateways });
            }
            Filed::Reception => {
                for generation in [&mut self.young, &mut self.old] {
                    let stored = generation.packets.get_mut(&packet.key);
                    if let Some(stored) = stored.filter(|stored| stored.row == row) {
                        stored.gateways.push(reception.gateway.clone());
                    }
                }
            }
            Filed::Duplicate => {}
        }
    }

    fn age(&mut self) {
        let young = std::mem::take(&mut self.young);
        let gone = std::mem::replace(&mut self.old, young);
        self.unknown_until = self.unknown_until.max(gone.latest);
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::domain::{Network, Packet, Patch, Reception, Terms};

    fn report(id: u64) -> Report {
        let node = NodeId::Radio(1);
        let arrived = Timestamp::from_millis(0);
        Report {
            packet: Packet {
                key: PacketKey { network: Network::Meshtastic, sender: node.clone(), id },
                port: 1,
                channel: None,
                to: None,
                payload: Vec::new(),
            },
            reception: Reception {
                gateway: node.clone(),
                arrived,
                redelivered_since: None,
                snr_db: None,
                rssi_dbm: None,
                hop_start: None,
                hop_limit: None,
            },
            patch: Patch::heard(node, Network::Meshtastic, arrived),
            links: Vec::new(),
            terms: Terms::default(),
        }
    }

    /// One commit of one report, and what becomes of it.
    #[derive(Clone, Debug)]
    struct Step {
        key: u64,
        gateway: u32,
        /// Since the one before; clocks go back as well.
        seconds: i64,
        redelivered: bool,
        outcome: Outcome,
    }

    #[derive(Clone, Copy, Debug)]
    enum Outcome {
        Committed,
        /// Committed, but the writer was not told.
        Uncertain,
        Failed,
        /// Committed, and then the packets up to this part of all rows are removed.
        Swept(u8),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let outcome = prop_oneof![
            20 => Just(Outcome::Committed),
            1 => Just(Outcome::Uncertain),
            1 => Just(Outcome::Failed),
            1 => any::<u8>().prop_map(Outcome::Swept),
        ];
        let seconds = prop_oneof![8 => 0_i64..100, 1 => 0_i64..2000, 1 => -2000_i64..0];
        let step = (0_u64..6, 0_u32..3, seconds, prop::bool::weighted(0.1), outcome);
        let step = step.prop_map(|(key, gateway, seconds, redelivered, outcome)| Step {
            key,
            gateway,
            seconds,
            redelivered,
            outcome,
        });
        vec(step, 1..80)
    }

    fn file<'a>(
        report: &'a Report,
        absences: &'a Absences,
        known: &[(PacketKey, Stored)],
        next_row: i64,
    ) -> Entry {
        let mut filing = Filing::new(absences, next_row..);
        for (_, stored) in known.iter().filter(|(key, _)| *key == report.packet.key) {
            let copy = stored.gateways.contains(&report.reception.gateway);
            filing.found(report, stored.row, stored.received_at, copy);
        }
        filing.file(report)
    }

    proptest! {
        #[test]
        fn what_is_settled_by_memory_is_what_the_database_says(
            steps in steps(),
            generation in 1_usize..4,
        ) {
            let absences = Absences::default();
            let mut database: Vec<(PacketKey, Stored)> = Vec::new();
            let mut memory = Recent::new(generation, Timestamp::from_millis(i64::MIN));
            let mut now = Timestamp::from_millis(1_000_000_000);
            for (row, step) in (1..).zip(steps) {
                now = Timestamp::from_millis(now.as_millis() + step.seconds * 1000);
                let mut report = report(step.key);
                report.reception.gateway = NodeId::Radio(step.gateway);
                report.reception.arrived = now;
                let session = now.minus(std::time::Duration::from_secs(1000));
                report.reception.redelivered_since = step.redelivered.then_some(session);
                let entry = file(&report, &absences, &database, row);
                let mut recent = memory.recall(&[&report]);
                if recent.settles(&report, &absences) {
                    let key = &report.packet.key;
                    let known: Vec<_> =
                        recent.of(key).map(|stored| (key.clone(), stored.clone())).collect();
                    let by_memory = file(&report, &absences, &known, row);
                    prop_assert_eq!(by_memory.filed, entry.filed);
                    prop_assert_eq!(by_memory.row, entry.row);
                }
                if matches!(step.outcome, Outcome::Failed) {
                    continue;
                }
                let Reception { gateway, .. } = report.reception.clone();
                match entry.filed {
                    Filed::Packet => {
                        let Entry { row, received_at, .. } = entry;
                        let stored = Stored { row, received_at, gateways: vec![gateway] };
                        database.push((report.packet.key.clone(), stored));
                    }
                    Filed::Reception => {
                        let of = database.iter_mut().find(|(_, stored)| stored.row == entry.row);
                        of.expect("it was found").1.gateways.push(gateway);
                    }
                    Filed::Duplicate => {}
                }
                if !matches!(step.outcome, Outcome::Uncertain) {
                    recent.remember(&report, entry);
                    memory = recent;
                }
                if let Outcome::Swept(part) = step.outcome {
                    let last = row * i64::from(part) / 255;
                    memory.forget_until(last);
                    database.retain(|(_, stored)| stored.row > last);
                }
            }
        }
    }
}

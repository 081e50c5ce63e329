//! The same reports in any batches, with any stops between: one outcome.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use geocast::{
    domain::{
        Filed, Info, Link, LinkObservation, LinkSource, Links, Message, Metric, Network, Node,
        NodeId, PACKET_WINDOW, Packet, PacketKey, Patch, Position, Readings, Report, Section,
        Stamp, Timestamp,
    },
    storage::{HistoryQuery, LinkRow, Store, TelemetryRow},
};
use proptest::prelude::*;

use crate::{
    FORGET_AFTER, House,
    reports::{NOON, SECOND, all, commit, nodes, position, report},
};

/// Everything that can be read of a store.
#[derive(Debug, PartialEq)]
pub(crate) struct Everything {
    nodes: Vec<Node>,
    positions: BTreeMap<NodeId, Vec<Position>>,
    telemetry: BTreeMap<NodeId, Vec<TelemetryRow>>,
    messages: Vec<Message>,
    links: Vec<LinkRow>,
}

pub(crate) async fn everything(store: &Arc<dyn Store>) -> Everything {
    let nodes = nodes(store).await;
    let (mut positions, mut telemetry) = (BTreeMap::new(), BTreeMap::new());
    for node in &nodes {
        let query = HistoryQuery { node: Some(node.id.clone()), ..all() };
        positions.insert(node.id.clone(), store.positions(&query).await.unwrap().records);
        telemetry.insert(node.id.clone(), store.telemetry(&query).await.unwrap().records);
    }
    let messages = store.messages(&all()).await.unwrap().records;
    let links = store.links(&all()).await.unwrap().records;
    Everything { nodes, positions, telemetry, messages, links }
}

/// What a store must come to hold, by the rules alone.
#[derive(Default)]
struct Model {
    packets: Vec<KnownPacket>,
    /// When the server last started after an absence.
    back: Option<Timestamp>,
    nodes: BTreeMap<NodeId, Node>,
    /// Newest last, in the order stored.
    stored: Vec<Report>,
}

struct KnownPacket {
    key: PacketKey,
    received_at: Timestamp,
    /// How long the server has been away since.
    away: Duration,
    gateways: BTreeSet<NodeId>,
}

impl Model {
    /// The server stopped, and `report` is the first to arrive after the start.
    fn start_with(&mut self, report: &Report) {
        let newest = self.packets.iter().map(|packet| packet.received_at).chain(self.back).max();
        let Some(newest) = newest else { return };
        let away = report.reception.arrived.since(newest);
        if away > Duration::from_mins(1) {
            self.packets.iter_mut().for_each(|packet| packet.away += away);
            self.back = Some(report.reception.arrived);
        }
    }

    fn file(&mut self, report: &Report) -> Filed {
        let Report { packet: Packet { key, .. }, reception, patch, .. } = report;
        let known = self.packets.iter_mut().rfind(|packet| {
            packet.key == *key
                && reception.arrived.since(packet.received_at) <= PACKET_WINDOW + packet.away
        });
        if let Some(packet) = known {
            let new = packet.gateways.insert(reception.gateway.clone());
            return if new { Filed::Reception } else { Filed::Duplicate };
        }
        self.packets.push(KnownPacket {
            key: key.clone(),
            received_at: reception.arrived,
            away: Duration::ZERO,
            gateways: BTreeSet::from([reception.gateway.clone()]),
        });
        self.nodes.retain(|id, held| {
            *id != patch.node || !held.is_forgotten(FORGET_AFTER, reception.arrived)
        });
        let node = self.nodes.entry(patch.node.clone());
        node.or_insert_with(|| Node::heard_first(patch)).merge(patch);
        self.stored.push(report.clone());
        Filed::Packet
    }

    fn everything(&self) -> Everything {
        let mut nodes: Vec<_> = self.nodes.values().cloned().collect();
        nodes.sort_by_key(|node| (node.status.last_heard, node.id.to_string()));
        let newest_first = || self.stored.iter().rev();
        let (mut positions, mut telemetry) = (BTreeMap::new(), BTreeMap::new());
        for id in self.nodes.keys() {
            let said = || newest_first().filter(|report| report.patch.node == *id);
            let mut rows: Vec<_> = said().filter_map(|report| report.patch.position).collect();
            rows.sort_by_key(|row| std::cmp::Reverse(row.stamp.time));
            positions.insert(id.clone(), rows);
            let readings = said().filter_map(|report| report.patch.telemetry.clone());
            let mut rows: Vec<_> = readings
                .map(|said| TelemetryRow { time: said.stamp.time, values: said.values })
                .collect();
            rows.sort_by_key(|row| std::cmp::Reverse(row.time));
            telemetry.insert(id.clone(), rows);
        }
        let mut messages: Vec<_> =
            newest_first().filter_map(|report| report.patch.message.as_deref().cloned()).collect();
        messages.sort_by_key(|said| std::cmp::Reverse(said.time));
        let mut links: Vec<_> = newest_first()
            .flat_map(|report| {
                let time = report.patch.heard;
                report.links.iter().rev().map(move |link| LinkRow { time, link: link.clone() })
            })
            .collect();
        links.sort_by_key(|row| std::cmp::Reverse(row.time));
        Everything { nodes, positions, telemetry, messages, links }
    }
}

/// What happens before a report comes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Before {
    Nothing,
    Commit,
    CommitAndReopen,
}

fn stamps(arrived: Timestamp) -> impl Strategy<Value = Stamp> {
    let earlier = (0..200_u32).prop_map(move |seconds| arrived.minus(SECOND * seconds));
    (earlier, any::<bool>()).prop_map(move |(time, own_clock)| Stamp {
        time,
        heard: arrived,
        own_clock,
    })
}

fn optional_name() -> impl Strategy<Value = Option<Box<str>>> {
    proptest::option::of("\\PC{0,6}".prop_map(Into::into))
}

fn patches(node: NodeId, packet_id: u64, arrived: Timestamp) -> impl Strategy<Value = Patch> {
    let heard = (0..100_u32).prop_map(move |seconds| arrived.minus(SECOND * seconds));
    let info = (optional_name(), optional_name(), optional_name()).prop_map(
        |(short_name, long_name, channel)| Info {
            short_name,
            long_name,
            channel,
            ..Info::default()
        },
    );
    let place = (-900_000_000..=900_000_000, any::<Option<i32>>(), any::<Option<u8>>());
    let position = (place, proptest::option::of(-1e9_f32..1e9), stamps(arrived)).prop_map(
        |((latitude, altitude_m, precision_bits), ground_speed_kmh, stamp)| Position {
            altitude_m,
            precision_bits,
            ground_speed_kmh,
            ..position(latitude, stamp)
        },
    );
    let values = proptest::collection::btree_map(
        proptest::sample::select(&Metric::ALL[..8]),
        any::<f64>().prop_filter("finite", |value| value.is_finite()),
        0..4,
    );
    let section = proptest::sample::select(vec![Section::Device, Section::Environment]);
    let telemetry = (stamps(arrived), section, values).prop_map(|(stamp, section, values)| {
        Readings { stamp, section, values: values.into_iter().collect() }
    });
    let neighbours =
        proptest::collection::vec((0..9_u32, proptest::option::of(-30.0_f32..12.0)), 0..3);
    let links = (stamps(arrived), neighbours).prop_map(|(stamp, neighbours)| {
        let link = |(id, snr_db)| Link { id: NodeId::Radio(id), snr_db };
        Arc::new(Links { stamp, neighbours: neighbours.into_iter().map(link).collect() })
    });
    let text = proptest::option::of("\\PC{0,8}");
    (
        heard,
        info,
        proptest::option::of(position),
        proptest::option::of(telemetry),
        proptest::option::of(links),
        text,
    )
        .prop_map(move |(heard, info, position, telemetry, links, text)| {
            let message = text.map(|text| {
                Arc::new(Message {
                    network: Network::Meshtastic,
                    packet_id,
                    from: node.clone(),
                    channel: info.channel.clone(),
                    text: text.into(),
                    time: heard,
                    waypoint: None,
                })
            });
            Patch {
                node: node.clone(),
                network: Network::Meshtastic,
                heard,
                info,
                position,
                telemetry,
                links,
                message,
                leaves: false,
            }
        })
}

/// A report that arrives so many seconds after the one before.
fn steps() -> impl Strategy<Value = Vec<(Before, Report)>> {
    let pause = prop_oneof![4 => 0..30_u64, 1 => 30..120_u64, 1 => 800..1_000_u64];
    let before = prop_oneof![
        4 => Just(Before::Nothing), 2 => Just(Before::Commit), 1 => Just(Before::CommitAndReopen)
    ];
    let step = (before, pause, 0..3_u32, 0..3_u64, 0..3_u32);
    proptest::collection::vec(step, 1..40).prop_flat_map(|steps| {
        let mut now = NOON;
        let mut strategies = Vec::new();
        for (before, pause, sender, id, gateway) in steps {
            now = now.plus(SECOND * u32::try_from(pause).unwrap());
            let bare = report(sender, id, gateway, now);
            let step = patches(NodeId::Radio(sender), id, now).prop_map(move |patch| {
                let links = patch.links.iter().flat_map(|links| &links.neighbours);
                let observed = links.map(|link| LinkObservation {
                    from: link.id.clone(),
                    to: patch.node.clone(),
                    snr_db: link.snr_db,
                    source: LinkSource::NeighbourInfo,
                });
                (before, Report { links: observed.collect(), patch: patch.clone(), ..bare.clone() })
            });
            strategies.push(step);
        }
        strategies
    })
}

async fn run(house: &House, steps: &[(Before, Report)]) -> (Vec<Filed>, Everything) {
    let mut store = house.open().await;
    let mut filed = Vec::new();
    let mut batch = Vec::new();
    for (before, report) in steps {
        if *before != Before::Nothing {
            filed.extend(commit(&store, &batch).await);
            batch.clear();
        }
        if *before == Before::CommitAndReopen {
            store.close().await;
            store = house.open().await;
        }
        batch.push(report.clone());
    }
    filed.extend(commit(&store, &batch).await);
    let everything = everything(&store).await;
    store.close().await;
    (filed, everything)
}

fn expect(steps: &[(Before, Report)]) -> (Vec<Filed>, Everything) {
    let mut model = Model::default();
    let mut filed = Vec::new();
    for (before, report) in steps {
        if *before == Before::CommitAndReopen {
            model.start_with(report);
        }
        filed.push(model.file(report));
    }
    (filed, model.everything())
}

pub(crate) fn any_batches_and_stops_come_to_the_same(new_house: fn() -> House, cases: u32) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let config = ProptestConfig { cases, failure_persistence: None, ..<_>::default() };
    proptest!(config, |(steps in steps())| {
        let house = new_house();
        let (filed, held) = runtime.block_on(run(&house, &steps));
        let (expected_filed, expected) = expect(&steps);
        prop_assert_eq!(filed, expected_filed);
        prop_assert_eq!(held, expected);
    });
}

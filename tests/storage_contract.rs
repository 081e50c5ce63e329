//! What every store keeps to. The functions speak to `dyn Store` only; the list at the end runs
//! each of them on every database.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use geocast::{
    domain::{
        Filed, Info, Link, LinkObservation, LinkSource, Links, Message, Metric, Network, Node,
        NodeId, PACKET_WINDOW, Packet, PacketKey, Patch, Place, Position, Readings, Reception,
        Report, Section, Stamp, Timestamp, Waypoint,
    },
    storage::{self, HistoryQuery, LinkRow, Page, Store, StoreError, TelemetryRow},
};
use proptest::prelude::*;
use tempfile::TempDir;

/// A database of its own for one test.
struct House {
    url: String,
    _directory: TempDir,
}

impl House {
    fn sqlite() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", directory.path().join("geocast.db").display());
        Self { url, _directory: directory }
    }

    async fn open(&self) -> Arc<dyn Store> {
        storage::open(&self.url).await.unwrap()
    }
}

const NOON: Timestamp = Timestamp::from_millis(1_790_000_000_000);
const SECOND: Duration = Duration::from_secs(1);
const ANYTIME: Timestamp = Timestamp::from_millis(i64::MIN);

fn after(seconds: u64) -> Timestamp {
    NOON.plus(Duration::from_secs(seconds))
}

/// A packet that says only that its sender was heard.
fn report(sender: u32, id: u64, gateway: u32, arrived: Timestamp) -> Report {
    let sender = NodeId::Radio(sender);
    Report {
        packet: Packet {
            key: PacketKey { network: Network::Meshtastic, sender: sender.clone(), id },
            port: 3,
            channel: Some("LongFast".into()),
            to: None,
            payload: vec![0, 1, 2, 255],
        },
        reception: Reception {
            gateway: NodeId::Radio(gateway),
            arrived,
            snr_db: Some(-7.25),
            rssi_dbm: Some(-101),
            hop_start: Some(7),
            hop_limit: Some(5),
        },
        patch: Patch::heard(sender, Network::Meshtastic, arrived),
        links: Vec::new(),
    }
}

fn position(latitude_e7: i32, stamp: Stamp) -> Position {
    Position {
        place: Place::from_e7(latitude_e7, -740_000_000).unwrap(),
        altitude_m: Some(-3),
        ground_speed_kmh: Some(1.1),
        ground_track_deg: Some(359.9),
        sats_in_view: Some(9),
        precision_bits: Some(32),
        stamp,
    }
}

/// A packet with a position at that source time, by the node's own clock.
fn at(sender: u32, id: u64, arrived: Timestamp, latitude_e7: i32, time: Timestamp) -> Report {
    let mut report = report(sender, id, 1, arrived);
    report.patch.position = Some(position(latitude_e7, Stamp::dated(time, arrived)));
    report
}

fn message(sender: u32, id: u64, arrived: Timestamp, text: &str) -> Report {
    let mut report = report(sender, id, 1, arrived);
    report.patch.message = Some(Arc::new(Message {
        network: Network::Meshtastic,
        packet_id: id,
        from: NodeId::Radio(sender),
        channel: None,
        text: text.into(),
        time: arrived,
        waypoint: None,
    }));
    report
}

async fn commit(store: &Arc<dyn Store>, reports: &[Report]) -> Vec<Filed> {
    store.commit(&reports.iter().collect::<Vec<_>>()).await.unwrap()
}

async fn nodes(store: &Arc<dyn Store>) -> Vec<Node> {
    store.load(ANYTIME, 0).await.unwrap().nodes
}

fn all() -> HistoryQuery {
    HistoryQuery { node: None, from: None, to: None, limit: 10_000, cursor: None }
}

fn of(sender: u32) -> HistoryQuery {
    HistoryQuery { node: Some(NodeId::Radio(sender)), ..all() }
}

/// Latitudes of the positions on a page.
fn latitudes(page: &Page<Position>) -> Vec<i32> {
    page.records.iter().map(|position| position.place.latitude_e7()).collect()
}

async fn an_empty_store_answers(house: &House) {
    let store = house.open().await;
    store.check().await.unwrap();
    assert_eq!(commit(&store, &[]).await, []);
    let loaded = store.load(ANYTIME, 10).await.unwrap();
    assert!(loaded.nodes.is_empty() && loaded.messages.is_empty());
    assert_eq!(store.positions(&of(1)).await.unwrap(), Page { records: vec![], next: None });
}

async fn a_closed_store_refuses(house: &House) {
    let store = house.open().await;
    store.close().await;
    let refused = store.commit(&[&report(1, 1, 1, NOON)]).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    assert!(store.check().await.is_err());
}

async fn the_first_copy_is_a_packet_and_the_others_are_receptions(house: &House) {
    let store = house.open().await;
    let filed = commit(
        &store,
        &[report(1, 9, 1, NOON), report(1, 9, 2, after(1)), report(1, 9, 1, after(2))],
    )
    .await;
    assert_eq!(filed, [Filed::Packet, Filed::Reception, Filed::Duplicate]);
    let filed = commit(&store, &[report(1, 9, 2, after(3)), report(1, 9, 3, after(4))]).await;
    assert_eq!(filed, [Filed::Duplicate, Filed::Reception]);
}

async fn a_further_copy_changes_no_state(house: &House) {
    let store = house.open().await;
    commit(&store, &[at(1, 9, NOON, 1, NOON)]).await;
    let before = nodes(&store).await;
    let mut copy = at(1, 9, after(5), 2, after(5));
    copy.reception.gateway = NodeId::Radio(2);
    assert_eq!(commit(&store, &[copy.clone(), copy]).await, [Filed::Reception, Filed::Duplicate]);
    assert_eq!(nodes(&store).await, before);
    assert_eq!(latitudes(&store.positions(&of(1)).await.unwrap()), [1]);
}

async fn two_senders_may_use_the_same_packet_id(house: &House) {
    let store = house.open().await;
    let filed = commit(&store, &[report(1, 9, 1, NOON), report(2, 9, 1, NOON)]).await;
    assert_eq!(filed, [Filed::Packet, Filed::Packet]);
    assert_eq!(commit(&store, &[report(2, 9, 1, NOON)]).await, [Filed::Duplicate]);
}

async fn every_packet_id_of_64_bits_is_kept_apart(house: &House) {
    let store = house.open().await;
    let ids = [0, 1, u64::from(u32::MAX), 1 << 63, u64::MAX >> 1, u64::MAX];
    let reports = ids.map(|id| message(1, id, NOON, "hi"));
    assert_eq!(commit(&store, &reports).await, [Filed::Packet; 6]);
    assert_eq!(commit(&store, &reports).await, [Filed::Duplicate; 6]);
    let said = store.messages(&all()).await.unwrap().records;
    assert_eq!(said.iter().rev().map(|said| said.packet_id).collect::<Vec<_>>(), ids);
}

async fn a_packet_id_stands_for_another_packet_after_the_window(house: &House) {
    let store = house.open().await;
    let end = NOON.plus(PACKET_WINDOW);
    commit(&store, &[report(1, 9, 1, NOON)]).await;
    assert_eq!(commit(&store, &[report(1, 9, 2, end)]).await, [Filed::Reception]);
    let later = end.plus(Duration::from_millis(1));
    assert_eq!(commit(&store, &[report(1, 9, 1, later)]).await, [Filed::Packet]);
    // The new packet now stands for the number.
    assert_eq!(commit(&store, &[report(1, 9, 2, later)]).await, [Filed::Reception]);
    assert_eq!(commit(&store, &[report(1, 9, 1, later)]).await, [Filed::Duplicate]);
}

async fn the_window_holds_when_the_clock_goes_back(house: &House) {
    let store = house.open().await;
    commit(&store, &[report(1, 9, 1, NOON)]).await;
    let back = NOON.minus(PACKET_WINDOW);
    assert_eq!(commit(&store, &[report(1, 9, 1, back)]).await, [Filed::Duplicate]);
    let further_back = back.minus(Duration::from_millis(1));
    assert_eq!(commit(&store, &[report(1, 9, 1, further_back)]).await, [Filed::Packet]);
}

async fn a_redelivered_packet_is_stored_once_however_long_the_server_was_away(house: &House) {
    let store = house.open().await;
    commit(&store, &[report(1, 9, 1, NOON), report(2, 5, 1, after(2))]).await;
    // Killed: the store is dropped without being closed.
    drop(store);
    let store = house.open().await;
    let day = Duration::from_hours(24);
    assert_eq!(commit(&store, &[report(1, 9, 1, NOON.plus(day))]).await, [Filed::Duplicate]);
    // Other packets may come between, and more stops.
    let later = after(60).plus(day);
    assert_eq!(commit(&store, &[report(3, 1, 1, later)]).await, [Filed::Packet]);
    store.close().await;
    let store = house.open().await;
    let days = day * 2;
    let late = [
        report(2, 5, 1, after(61).plus(days)),
        report(1, 9, 2, after(62).plus(days)),
        report(3, 1, 1, after(63).plus(days)),
    ];
    let filed = [Filed::Duplicate, Filed::Reception, Filed::Duplicate];
    assert_eq!(commit(&store, &late).await, filed);
    // The window goes on while the server runs.
    let over = after(70).plus(days).plus(PACKET_WINDOW);
    assert_eq!(commit(&store, &[report(1, 9, 1, over)]).await, [Filed::Packet]);
}

async fn a_state_is_what_the_packets_merge_to(house: &House) {
    let store = house.open().await;
    let reports = [full(1, 1, NOON), at(1, 2, after(5), 7, after(4)), full(2, 1, after(6))];
    commit(&store, &reports).await;
    let mut first = Node::heard_first(&reports[0].patch);
    first.merge(&reports[0].patch);
    first.merge(&reports[1].patch);
    let mut second = Node::heard_first(&reports[2].patch);
    second.merge(&reports[2].patch);
    assert_eq!(nodes(&store).await, [first, second]);
}

async fn an_older_position_goes_to_the_history_only(house: &House) {
    let store = house.open().await;
    commit(&store, &[at(1, 1, NOON, 1, after(50))]).await;
    commit(&store, &[at(1, 2, after(10), 2, after(40))]).await;
    let held = nodes(&store).await.remove(0);
    assert_eq!(held.position.unwrap().place.latitude_e7(), 1);
    assert_eq!(held.status.last_heard, after(10));
    assert_eq!(latitudes(&store.positions(&of(1)).await.unwrap()), [1, 2]);
}

async fn every_field_comes_back_as_it_was(house: &House) {
    let store = house.open().await;
    let report = full(1, 1, NOON);
    commit(&store, std::slice::from_ref(&report)).await;
    let Patch { position, telemetry, message, .. } = report.patch;
    assert_eq!(store.positions(&of(1)).await.unwrap().records, [position.unwrap()]);
    let readings = telemetry.unwrap();
    let row = TelemetryRow { time: readings.stamp.time, values: readings.values };
    assert_eq!(store.telemetry(&of(1)).await.unwrap().records, [row]);
    let said = message.unwrap();
    assert_eq!(store.messages(&all()).await.unwrap().records, std::slice::from_ref(&*said));
    assert_eq!(store.load(NOON, 10).await.unwrap().messages, std::slice::from_ref(&*said));
    let rows = report.links.into_iter().rev().map(|link| LinkRow { time: NOON, link });
    assert_eq!(store.links(&all()).await.unwrap().records, rows.collect::<Vec<_>>());
}

async fn a_node_with_any_name_is_kept(house: &House) {
    let store = house.open().await;
    let names = ["a", "42", "Zoë's \"tracker\" \\ [1]", "👋", "%_';--", "!a1b2c3d"];
    let mut reports = Vec::new();
    for name in names {
        let mut report = message(1, 1, NOON, name);
        let id: NodeId = name.parse().unwrap();
        report.packet.key.sender = id.clone();
        report.reception.gateway = id.clone();
        report.patch.node = id;
        reports.push(report);
    }
    assert_eq!(commit(&store, &reports).await, [Filed::Packet; 6]);
    assert_eq!(commit(&store, &reports).await, [Filed::Duplicate; 6]);
    let held: BTreeSet<String> =
        nodes(&store).await.iter().map(|node| node.id.to_string()).collect();
    assert_eq!(held, names.map(str::to_owned).into());
}

async fn a_history_is_paged_without_gaps_or_repeats(house: &House) {
    let store = house.open().await;
    // Three positions at each second, more than one page of each.
    let reports: Vec<_> = (0..31_u32)
        .map(|n| at(1, n.into(), after(100), n.cast_signed(), after((n / 3).into())))
        .collect();
    commit(&store, &reports).await;
    commit(&store, &[at(2, 1, after(100), -1, after(5))]).await;
    let expected: Vec<i32> = (0..31).rev().collect();
    for limit in [1, 2, 3, 4, 10, 30, 31, 32] {
        let mut seen = Vec::new();
        let mut query = HistoryQuery { limit, ..of(1) };
        loop {
            let page = store.positions(&query).await.unwrap();
            assert!(page.records.len() <= limit as usize);
            seen.extend(latitudes(&page));
            assert!(seen.len() <= expected.len(), "pages of {limit} repeat: {seen:?}");
            query.cursor = page.next;
            if query.cursor.is_none() {
                break;
            }
        }
        assert_eq!(seen, expected, "pages of {limit}");
    }
}

async fn new_records_do_not_disturb_the_pages_that_follow(house: &House) {
    let store = house.open().await;
    let reports: Vec<_> = (0..6).map(|n| message(1, n, after(n), &n.to_string())).collect();
    commit(&store, &reports).await;
    let mut query = HistoryQuery { limit: 3, ..all() };
    let page = store.messages(&query).await.unwrap();
    commit(&store, &[message(1, 7, after(10), "new")]).await;
    query.cursor = page.next;
    let page = store.messages(&query).await.unwrap();
    let texts: Vec<_> = page.records.iter().map(|said| &*said.text).collect();
    assert_eq!(texts, ["2", "1", "0"]);
    assert_eq!(page.next, None);
}

async fn a_history_begins_at_from_and_ends_before_to(house: &House) {
    let store = house.open().await;
    let reports: Vec<_> =
        (0..10_u32).map(|n| at(1, n.into(), NOON, n.cast_signed(), after(n.into()))).collect();
    commit(&store, &reports).await;
    let query = HistoryQuery { from: Some(after(3)), to: Some(after(6)), ..of(1) };
    assert_eq!(latitudes(&store.positions(&query).await.unwrap()), [5, 4, 3]);
    let query = HistoryQuery { from: Some(after(6)), to: Some(after(3)), ..of(1) };
    assert!(store.positions(&query).await.unwrap().records.is_empty());
    // A page that ends within the span leads to the rest of the span.
    let query = HistoryQuery { from: Some(after(3)), to: Some(after(6)), limit: 2, ..of(1) };
    let cursor = store.positions(&query).await.unwrap().next;
    let rest = store.positions(&HistoryQuery { cursor, ..query }).await.unwrap();
    assert_eq!((latitudes(&rest), rest.next), (vec![3], None));
}

async fn links_are_found_from_either_end(house: &House) {
    let store = house.open().await;
    let link = |from, to| LinkObservation {
        from: NodeId::Radio(from),
        to: NodeId::Radio(to),
        snr_db: None,
        source: LinkSource::Traceroute,
    };
    let mut told = report(9, 1, 1, NOON);
    told.links = vec![link(1, 2), link(2, 3), link(3, 1), link(1, 1), link(4, 5)];
    commit(&store, &[told]).await;
    let query = HistoryQuery { limit: 2, ..of(1) };
    let first = store.links(&query).await.unwrap();
    let second = store.links(&HistoryQuery { cursor: first.next, ..query }).await.unwrap();
    assert_eq!(second.next, None);
    let seen: Vec<_> =
        first.records.into_iter().chain(second.records).map(|row| row.link).collect();
    assert_eq!(seen, [link(1, 1), link(3, 1), link(1, 2)]);
    assert_eq!(store.links(&all()).await.unwrap().records.len(), 5);
}

async fn a_cursor_that_nobody_gave_is_refused(house: &House) {
    let store = house.open().await;
    commit(&store, &[full(1, 1, NOON)]).await;
    for garbage in ["", "x", "1", "1.2.3", "1;DROP TABLE nodes", "99999999999999999999.1", "\0.\0"]
    {
        let query = HistoryQuery { cursor: Some(garbage.into()), ..of(1) };
        assert!(matches!(store.positions(&query).await, Err(StoreError::InvalidCursor)));
        assert!(matches!(store.telemetry(&query).await, Err(StoreError::InvalidCursor)));
        assert!(matches!(store.messages(&query).await, Err(StoreError::InvalidCursor)));
        assert!(matches!(store.links(&query).await, Err(StoreError::InvalidCursor)));
    }
}

async fn the_world_is_loaded_oldest_first(house: &House) {
    let store = house.open().await;
    let reports = [
        message(3, 1, after(30), "c"),
        message(1, 1, after(10), "a"),
        message(4, 1, after(40), "d"),
        message(2, 1, after(20), "b"),
    ];
    commit(&store, &reports).await;
    let loaded = store.load(after(20), 3).await.unwrap();
    let ids: Vec<_> = loaded.nodes.iter().map(|node| node.id.clone()).collect();
    assert_eq!(ids, [2, 3, 4].map(NodeId::Radio));
    let texts: Vec<_> = loaded.messages.iter().map(|said| &*said.text).collect();
    assert_eq!(texts, ["b", "c", "d"]);
}

async fn opening_again_keeps_everything(house: &House) {
    let store = house.open().await;
    let reports: Vec<_> = (0..20_u32).map(|n| full(n % 5, n.into(), after(n.into()))).collect();
    commit(&store, &reports).await;
    let before = everything(&store).await;
    for _ in 0..3 {
        store.close().await;
        let store = house.open().await;
        assert_eq!(everything(&store).await, before);
        assert_eq!(commit(&store, &reports).await, [Filed::Duplicate; 20]);
        store.close().await;
    }
}

async fn a_batch_larger_than_any_statement_is_stored(house: &House) {
    let store = house.open().await;
    let reports: Vec<_> = (0..2_345_u32).map(|n| full(n, 1, after(n.into()))).collect();
    assert_eq!(commit(&store, &reports).await, vec![Filed::Packet; 2_345]);
    assert_eq!(commit(&store, &reports).await, vec![Filed::Duplicate; 2_345]);
    assert_eq!(nodes(&store).await.len(), 2_345);
    let links = store.links(&all()).await.unwrap().records;
    assert_eq!(links.len(), reports.iter().map(|report| report.links.len()).sum::<usize>());
}

async fn readers_and_the_writer_work_at_once(house: &House) {
    let store = house.open().await;
    let write = async {
        for n in 0..50_u32 {
            commit(&store, &[full(1, n.into(), after(n.into()))]).await;
        }
    };
    let read = async {
        for _ in 0..50 {
            store.load(ANYTIME, 10).await.unwrap();
            store.positions(&of(1)).await.unwrap();
        }
    };
    tokio::join!(write, read);
    assert_eq!(store.positions(&of(1)).await.unwrap().records.len(), 50);
}

/// A packet that says everything at once.
fn full(sender: u32, id: u64, arrived: Timestamp) -> Report {
    let mut report = report(sender, id, 1, arrived);
    let stamp = Stamp::dated(arrived.minus(SECOND), arrived);
    let neighbour = |id, snr_db| Link { id: NodeId::Radio(id), snr_db };
    let observed = |from, snr_db, source| LinkObservation {
        from: NodeId::Radio(from),
        to: NodeId::Radio(sender),
        snr_db,
        source,
    };
    report.packet.to = Some(NodeId::Radio(0xffff_ffff));
    report.patch.info = Info {
        short_name: Some("🦀".into()),
        long_name: Some("<b>Ferris</b> & 'friends'\n".into()),
        hw_model: Some("HELTEC_V3".into()),
        role: Some("ROUTER".into()),
        firmware: None,
        channel: Some("".into()),
    };
    report.patch.position = Some(position(-899_999_999, stamp));
    report.patch.telemetry = Some(Readings {
        stamp,
        section: Section::Device,
        values: vec![
            (Metric::Voltage, f64::from(4.12_f32)),
            (Metric::BatteryLevel, 71.0),
            (Metric::AirUtilTx, 0.1 + 0.2),
            (Metric::UptimeSeconds, 4_294_967_295.0),
        ],
    });
    let neighbours = vec![neighbour(7, Some(-6.5)), neighbour(8, None)];
    report.patch.links = Some(Arc::new(Links { stamp, neighbours }));
    report.links = vec![
        observed(7, Some(-6.5), LinkSource::NeighbourInfo),
        observed(8, None, LinkSource::Traceroute),
    ];
    report.patch.message = Some(Arc::new(Message {
        network: Network::Meshtastic,
        packet_id: id,
        from: NodeId::Radio(sender),
        channel: Some("LongFast".into()),
        text: "Camp".into(),
        time: arrived,
        waypoint: Some(Waypoint {
            id: u32::MAX,
            place: Place::from_e7(1, -1_800_000_000).unwrap(),
            description: "".into(),
            icon: Some(0x1f3d5),
            expires: Some(after(9_999)),
        }),
    }));
    report
}

/// Everything that can be read of a store.
#[derive(Debug, PartialEq)]
struct Everything {
    nodes: Vec<Node>,
    positions: BTreeMap<NodeId, Vec<Position>>,
    telemetry: BTreeMap<NodeId, Vec<TelemetryRow>>,
    messages: Vec<Message>,
    links: Vec<LinkRow>,
}

async fn everything(store: &Arc<dyn Store>) -> Everything {
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

fn any_batches_and_stops_come_to_the_same(new_house: fn() -> House) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let config = ProptestConfig { cases: 40, failure_persistence: None, ..<_>::default() };
    proptest!(config, |(steps in steps())| {
        let house = new_house();
        let (filed, held) = runtime.block_on(run(&house, &steps));
        let (expected_filed, expected) = expect(&steps);
        prop_assert_eq!(filed, expected_filed);
        prop_assert_eq!(held, expected);
    });
}

/// The contract, run on one database.
macro_rules! contract {
    ($database:ident: $($name:ident),+ $(,)?) => {
        mod $database {
            use super::House;

            $(#[tokio::test]
            async fn $name() {
                super::$name(&House::$database()).await;
            })+

            #[test]
            fn any_batches_and_stops_come_to_the_same() {
                super::any_batches_and_stops_come_to_the_same(House::$database);
            }
        }
    };
    (every database: $($names:tt)+) => {
        contract!(sqlite: $($names)+);
    };
}

contract!(every database:
    an_empty_store_answers,
    a_closed_store_refuses,
    the_first_copy_is_a_packet_and_the_others_are_receptions,
    a_further_copy_changes_no_state,
    two_senders_may_use_the_same_packet_id,
    every_packet_id_of_64_bits_is_kept_apart,
    a_packet_id_stands_for_another_packet_after_the_window,
    the_window_holds_when_the_clock_goes_back,
    a_redelivered_packet_is_stored_once_however_long_the_server_was_away,
    a_state_is_what_the_packets_merge_to,
    an_older_position_goes_to_the_history_only,
    every_field_comes_back_as_it_was,
    a_node_with_any_name_is_kept,
    a_history_is_paged_without_gaps_or_repeats,
    new_records_do_not_disturb_the_pages_that_follow,
    a_history_begins_at_from_and_ends_before_to,
    links_are_found_from_either_end,
    a_cursor_that_nobody_gave_is_refused,
    the_world_is_loaded_oldest_first,
    opening_again_keeps_everything,
    a_batch_larger_than_any_statement_is_stored,
    readers_and_the_writer_work_at_once,
);

/// What is particular to a database in a file.
mod file {
    use super::*;

    async fn refusal(url: &str) -> String {
        match storage::open(url).await {
            Ok(_) => panic!("{url} was opened"),
            Err(error) => error.to_string(),
        }
    }

    #[tokio::test]
    async fn a_place_without_a_directory_is_refused_by_name() {
        let directory = tempfile::tempdir().unwrap();
        let absent = directory.path().join("absent");
        let message = refusal(&format!("sqlite:{}", absent.join("geocast.db").display())).await;
        assert!(message.contains(&format!("{} is not a directory", absent.display())), "{message}");
        let message = refusal(&format!("sqlite:{}", directory.path().display())).await;
        assert!(message.contains("it is a directory"), "{message}");
        assert!(!message.contains('\n'), "{message}");
    }

    #[tokio::test]
    async fn what_is_no_database_is_refused_by_name() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("letter.txt");
        std::fs::write(&path, "Dear reader, this is a letter and not a database.\n".repeat(100))
            .unwrap();
        let message = refusal(&format!("sqlite:{}", path.display())).await;
        assert!(message.contains("letter.txt") && !message.contains('\n'), "{message}");
    }

    #[tokio::test]
    async fn a_second_process_is_refused_until_the_first_has_closed() {
        let house = House::sqlite();
        let store = house.open().await;
        let message = refusal(&house.url).await;
        assert!(message.contains("another process uses it"), "{message}");
        store.close().await;
        house.open().await;
    }

    #[tokio::test]
    async fn a_database_in_memory_keeps_the_basics_while_it_is_open() {
        let store = storage::open("sqlite::memory:").await.unwrap();
        let other = storage::open("sqlite://:memory:").await.unwrap();
        let report = full(1, 1, NOON);
        assert_eq!(commit(&store, std::slice::from_ref(&report)).await, [Filed::Packet]);
        assert_eq!(commit(&store, &[report]).await, [Filed::Duplicate]);
        assert_eq!(nodes(&store).await.len(), 1);
        assert_eq!(nodes(&other).await.len(), 0);
    }

    #[tokio::test]
    async fn a_url_that_names_no_database_is_refused_without_its_secrets() {
        for url in ["postgres://map:hunter2@db/map", "geocast.db", "sqlite:", "sqlite:a.db?mode=ro"]
        {
            let message = refusal(url).await;
            assert!(message.contains("sqlite:PATH") && !message.contains("hunter2"), "{message}");
        }
        assert!(refusal("postgres://map:hunter2@db/map").await.contains("postgres"));
    }
}

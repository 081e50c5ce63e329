//! The law: a client that applies what it is sent holds exactly the nodes that match its filter,
//! field by field, whatever happens to it.
//!
//! Random stories are told to a real broadcaster and to clients that know nothing but the rules
//! of the protocol. At every rest of a story each client's picture is compared with that of a
//! naive oracle.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use proptest::prelude::*;
use serde_json::Value;
use tokio::{sync::mpsc, time::sleep};

use super::{frames, records::NodeRecord};
use crate::{
    broadcast::{Broadcaster, Cursor, LiveMap, Metrics, Settings, Viewer},
    domain::{
        Bounds, Clock, Filter, Info, Lifetimes, Link, Links, MessageTypes, Metric, Network, Node,
        NodeId, Patch, Place, Position, Readings, Revision, Section, Stamp, Timestamp, World,
    },
};

const EPOCH: &str = "the-law";
const HOUR: Duration = Duration::from_hours(1);
const LIFETIMES: Lifetimes = Lifetimes {
    offline_after: Duration::from_hours(2),
    forget_after: Duration::from_hours(5),
    tombstones: Duration::from_hours(3),
};
/// Long enough for a tick and for the broadcaster to keep house; nobody waits, time is paused.
const REST: Duration = Duration::from_secs(2);

#[derive(Clone, Debug)]
enum Step {
    /// A packet is committed.
    Hear(Heard),
    /// Everything under way settles; those who read their sockets are compared with the oracle.
    Rest,
    /// Hours pass.
    Wait(u32),
    /// A client asks for another filter.
    Subscribe(usize, Filter),
    /// A client that is connected asks for another filter and names its cursor besides.
    Move(usize, Filter),
    /// A client has lost what it held, and asks for everything again.
    Snapshot(usize),
    /// A client asks for nothing more.
    Unsubscribe(usize),
    /// A client stops reading its socket.
    Stall(usize),
    /// It reads again.
    Drain(usize),
    /// Its connection breaks after some more frames of what is under way.
    Break(usize, usize),
    /// It connects again and goes on from its cursor, if it has one.
    Return(usize),
}

#[derive(Clone, Debug)]
struct Heard {
    node: u32,
    hours_ago: u64,
    name: Option<u8>,
    place: Option<(f64, f64)>,
    battery: Option<u8>,
    neighbour: Option<u32>,
}

impl Heard {
    fn patch(&self, now: Timestamp) -> Patch {
        let heard = now.minus(HOUR * u32::try_from(self.hours_ago).unwrap());
        let stamp = Stamp::heard(heard);
        let mut patch = Patch::heard(NodeId::Radio(self.node), Network::Meshtastic, heard);
        patch.info =
            Info { long_name: self.name.map(|n| format!("n{n}").into()), ..Info::default() };
        patch.position = self.place.map(|(latitude, longitude)| Position {
            place: Place::from_degrees(latitude, longitude).unwrap(),
            altitude_m: None,
            ground_speed_kmh: None,
            ground_track_deg: None,
            sats_in_view: None,
            precision_bits: None,
            stamp,
        });
        let values = |battery| vec![(Metric::BatteryLevel, f64::from(battery))];
        patch.telemetry = self.battery.map(|battery| Readings {
            stamp,
            section: Section::Device,
            values: values(battery),
        });
        patch.links = self.neighbour.map(|neighbour| {
            let link = Link { id: NodeId::Radio(neighbour), snr_db: None };
            Arc::new(Links { stamp, neighbours: vec![link] })
        });
        patch
    }
}

/// Everything that should be known, without any cleverness.
#[derive(Default)]
struct Oracle(BTreeMap<NodeId, Node>);

impl Oracle {
    fn hear(&mut self, patch: &Patch, now: Timestamp) {
        if !self.0.contains_key(&patch.node) && patch.heard.plus(LIFETIMES.forget_after) <= now {
            return;
        }
        let node = self.0.entry(patch.node.clone()).or_insert_with(|| Node::heard_first(patch));
        node.merge(patch);
    }

    fn pass_time(&mut self, now: Timestamp) {
        self.0.retain(|_, node| node.status.last_heard.plus(LIFETIMES.forget_after) > now);
        for node in self.0.values_mut() {
            node.status.online = node.status.last_heard.plus(LIFETIMES.offline_after) > now;
        }
    }

    fn shows(&self, filter: &Filter) -> BTreeMap<String, Value> {
        let seen = self.0.values().filter(|node| filter.matches(node));
        seen.map(|node| {
            let record = serde_json::to_value(NodeRecord::whole(node, filter.types)).unwrap();
            (node.id.to_string(), record)
        })
        .collect()
    }
}

/// A client that knows the rules of the protocol and nothing else.
#[derive(Default)]
struct Mirror {
    held: BTreeMap<String, Value>,
    /// The revision of which every frame was applied; none while a picture is incomplete.
    revision: Option<u64>,
    /// Subscriptions that were sent and not answered yet: until they are, nobody can tell which
    /// filter the cursor belongs to.
    unanswered: usize,
    in_parts: bool,
    /// Nothing that is held counts before the next full picture.
    lost: bool,
    newest: u64,
}

impl Mirror {
    fn apply(&mut self, frame: &[u8]) {
        let message: Value = serde_json::from_slice(frame).unwrap();
        let list = |name: &str| message[name].as_array().cloned().unwrap_or_default();
        let id = |record: &Value| record["id"].as_str().unwrap().to_owned();
        let revision = message["revision"].as_u64().unwrap();
        let more = message["more"] == true;
        assert!(revision >= self.newest, "revisions never go back: {message}");
        self.newest = revision;
        if self.lost && message["full"] != true {
            self.unanswered -= usize::from(message["type"] == "snapshot" && !more);
            return;
        }
        match message["type"].as_str().unwrap() {
            "snapshot" => {
                if message["full"] == true && !self.in_parts {
                    self.held.clear();
                    self.lost = false;
                }
                self.in_parts = more;
                self.revision = None;
                for gone in list("removed") {
                    self.held.remove(gone.as_str().unwrap());
                }
                self.held.extend(list("nodes").into_iter().map(|record| (id(&record), record)));
                self.unanswered = self.unanswered.saturating_sub(usize::from(!more));
            }
            "node_enter" => {
                self.held.extend(list("nodes").into_iter().map(|record| (id(&record), record)));
            }
            "node_leave" => {
                for gone in list("ids") {
                    self.held.remove(gone.as_str().unwrap());
                }
            }
            "node_update" | "node_status" => {
                for record in &list("nodes") {
                    self.merge(&id(record), None, record);
                }
            }
            "telemetry_update" => {
                for record in &list("telemetry") {
                    self.merge(&id(record), Some("telemetry"), record);
                }
            }
            "position_update" => {
                for mut record in list("positions") {
                    let id = id(&record);
                    record.as_object_mut().unwrap().remove("id");
                    self.record(&id)["position"] = record;
                }
            }
            other => panic!("a client is not told {other}"),
        }
        if !more {
            self.revision = Some(revision);
        }
    }

    fn record(&mut self, id: &str) -> &mut Value {
        self.held.get_mut(id).unwrap_or_else(|| panic!("an update of {id}, which is not held"))
    }

    fn merge(&mut self, id: &str, group: Option<&str>, fields: &Value) {
        let record = self.record(id);
        let target = match group {
            Some(group) => &mut record[group],
            None => record,
        };
        if target.is_null() {
            *target = Value::Object(serde_json::Map::new());
        }
        for (name, value) in fields.as_object().unwrap() {
            if name != "id" {
                target[name] = value.clone();
            }
        }
    }
}

#[derive(Default)]
struct Client {
    viewer: Option<Viewer>,
    filter: Option<Filter>,
    mirror: Mirror,
    stalled: bool,
}

impl Client {
    async fn connect(&mut self, live: &LiveMap) -> &Viewer {
        if self.viewer.is_none() {
            self.viewer = Some(live.join().await.unwrap());
        }
        self.viewer.as_ref().unwrap()
    }

    async fn subscribe(&mut self, live: &LiveMap, filter: Filter, resume: Option<Cursor>) {
        self.mirror.unanswered += 1;
        self.filter = Some(filter.clone());
        self.connect(live).await.subscribe(filter, resume).await.unwrap();
    }

    /// Reads `frames` frames at most, and everything that comes meanwhile.
    async fn read(&mut self, mut frames: usize) {
        while let Some(viewer) = &self.viewer
            && frames > 0
            && let Ok(Some(delivery)) = tokio::time::timeout(REST, viewer.next()).await
        {
            for frame in frames::of(EPOCH, &delivery).take(frames) {
                frames -= 1;
                self.mirror.apply(&frame);
            }
            if frames > 0 {
                viewer.delivered().await.unwrap();
            }
        }
    }

    /// The connection breaks after `frames` more frames.
    async fn lose(&mut self, frames: usize) {
        self.read(frames).await;
        self.viewer = None;
        self.mirror.in_parts = false;
        if self.mirror.unanswered > 0 {
            self.mirror.revision = None;
        }
    }

    fn cursor(&self) -> Option<Cursor> {
        let revision = self.mirror.revision?;
        Some(Cursor { epoch: EPOCH.to_owned(), revision: Revision(revision) })
    }

    async fn come_back(&mut self, live: &LiveMap) {
        let Some(filter) = self.filter.clone().filter(|_| self.viewer.is_none()) else { return };
        let resume = self.cursor();
        self.stalled = false;
        self.mirror.unanswered = 0;
        self.subscribe(live, filter, resume).await;
    }
}

async fn tell(story: Vec<Step>) {
    let millis = Arc::new(AtomicI64::new(1_000_000_000_000));
    let hands = Arc::clone(&millis);
    let clock = Clock::new(move || Timestamp::from_millis(hands.load(Ordering::Relaxed)));
    let settings = Settings { tick: Duration::from_millis(100), epoch: EPOCH.to_owned() };
    let (broadcaster, live) = Broadcaster::new(
        World::new(LIFETIMES),
        frames::JsonEncoder::default(),
        settings,
        clock.clone(),
        Metrics::default(),
    );
    let (commit, committed) = mpsc::channel(1);
    let tell = async {
        let mut oracle = Oracle::default();
        let mut clients: [Client; 3] = Default::default();
        for step in story.into_iter().chain([Step::Rest]) {
            match step {
                Step::Hear(heard) => {
                    let patch = heard.patch(clock.now());
                    oracle.hear(&patch, clock.now());
                    commit.send(vec![patch]).await.unwrap();
                }
                Step::Rest => rest(&mut clients, &mut oracle, clock.now()).await,
                Step::Wait(hours) => {
                    sleep(REST).await;
                    let passed = i64::try_from((HOUR * hours).as_millis()).unwrap();
                    millis.fetch_add(passed, Ordering::Relaxed);
                    sleep(REST).await;
                    oracle.pass_time(clock.now());
                }
                Step::Subscribe(client, filter) => {
                    clients[client].subscribe(&live, filter, None).await;
                }
                Step::Move(client, filter) => {
                    let client = &mut clients[client];
                    // While a request is unanswered, nobody knows which filter the cursor is for.
                    let subscribed = client.viewer.is_some() && client.filter.is_some();
                    let settled = subscribed && client.mirror.unanswered == 0;
                    let resume = client.cursor().filter(|_| settled);
                    client.subscribe(&live, filter, resume).await;
                }
                Step::Snapshot(client) => {
                    let client = &mut clients[client];
                    if let (Some(viewer), Some(_)) = (&client.viewer, &client.filter) {
                        client.mirror.unanswered += 1;
                        client.mirror.lost = true;
                        client.mirror.held.clear();
                        viewer.request_snapshot().await.unwrap();
                    }
                }
                Step::Unsubscribe(client) => {
                    let client = &mut clients[client];
                    if let Some(viewer) = &client.viewer {
                        viewer.unsubscribe().await.unwrap();
                        client.filter = None;
                        client.mirror.revision = None;
                    }
                }
                Step::Stall(client) => clients[client].stalled = true,
                Step::Drain(client) => clients[client].stalled = false,
                Step::Break(client, frames) => clients[client].lose(frames).await,
                Step::Return(client) => clients[client].come_back(&live).await,
            }
        }
        drop(commit);
    };
    tokio::join!(broadcaster.run(committed), tell);
}

async fn rest(clients: &mut [Client], oracle: &mut Oracle, now: Timestamp) {
    sleep(REST).await;
    oracle.pass_time(now);
    for client in clients.iter_mut().filter(|client| !client.stalled && client.viewer.is_some()) {
        client.read(usize::MAX).await;
        client.mirror.unanswered = 0;
        if let Some(filter) = &client.filter {
            let expected = oracle.shows(filter);
            assert_eq!(client.mirror.held, expected, "a client with {filter:?}");
        }
    }
}

const LATITUDES: [f64; 6] = [-90.0, -45.5, 0.0, 10.0, 45.5, 90.0];
const LONGITUDES: [f64; 8] = [-180.0, -179.5, -10.0, 0.0, 10.0, 100.0, 179.5, 180.0];

fn place() -> impl Strategy<Value = (f64, f64)> {
    (prop::sample::select(&LATITUDES[..]), prop::sample::select(&LONGITUDES[..]))
}

fn heard() -> impl Strategy<Value = Heard> {
    use prop::option::of;
    (0..6_u32, 0..7_u64, of(0..3_u8), of(place()), of(0..3_u8), of(0..3_u32)).prop_map(
        |(node, hours_ago, name, place, battery, neighbour)| Heard {
            node,
            // Mostly now: packets heard late are the exception.
            hours_ago: hours_ago.saturating_sub(3),
            name,
            place,
            battery,
            neighbour,
        },
    )
}

fn filter() -> impl Strategy<Value = Filter> {
    let bounds = (place(), place())
        .prop_map(|((a, west), (b, east))| Bounds::new(a.max(b), a.min(b), east, west).unwrap());
    let ids = prop::collection::btree_set(0..6_u32, 0..4);
    let kinds = [
        MessageTypes::NODE,
        MessageTypes::POSITION,
        MessageTypes::TELEMETRY,
        MessageTypes::STATUS,
        MessageTypes::MESSAGE,
    ];
    let types = prop::collection::vec(prop::sample::select(kinds.to_vec()), 0..4);
    let often = |all: f64| prop::bool::weighted(all);
    (prop::option::weighted(0.8, bounds), (often(0.2), ids), (often(0.3), types)).prop_map(
        |(bounds, (by_id, ids), (by_type, types))| {
            let some = types.into_iter().fold(MessageTypes::NONE, MessageTypes::or);
            let types = if by_type { some } else { MessageTypes::ALL };
            let filter = Filter { bounds, node_ids: None, types };
            let ids: BTreeSet<_> = ids.into_iter().map(NodeId::Radio).collect();
            if by_id { filter.with_node_ids(ids) } else { filter }
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    let client = || 0..3_usize;
    prop_oneof![
        12 => heard().prop_map(Step::Hear),
        4 => Just(Step::Rest),
        1 => (1..6_u32).prop_map(Step::Wait),
        4 => (client(), filter()).prop_map(|(client, filter)| Step::Subscribe(client, filter)),
        2 => (client(), filter()).prop_map(|(client, filter)| Step::Move(client, filter)),
        2 => client().prop_map(Step::Snapshot),
        1 => client().prop_map(Step::Unsubscribe),
        2 => client().prop_map(Step::Stall),
        2 => client().prop_map(Step::Drain),
        2 => (client(), 0..5_usize).prop_map(|(client, frames)| Step::Break(client, frames)),
        3 => client().prop_map(Step::Return),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn every_client_holds_exactly_what_matches_its_filter(
        story in prop::collection::vec(step(), 1..60)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(tell(story));
    }
}

//! What was published, and what clients should therefore show.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    ops::RangeInclusive,
};

use fastrand::Rng;
use meshtastic::protobufs::{
    DeviceMetrics, Neighbor, NeighborInfo, PortNum, Position, Telemetry, User, telemetry::Variant,
};
use prost::Message;
use serde_json::{Value, json};

use super::view::{NODE_TYPES, View};
use crate::harness::{
    Radio,
    radio::{Publish, now_seconds},
};

/// The radios that wander about.
pub(super) const RADIOS: RangeInclusive<u32> = 1..=240;

/// One that speaks last.
pub(super) const MARKER: u32 = 0xffff;

/// Where they wander: also at the antimeridian and at the poles.
pub(super) const TOWNS: [(f64, f64); 10] = [
    (52.5, 13.4),
    (-17.7, 178.9),
    (-16.5, -179.9),
    (71.0, 180.0),
    (90.0, 10.0),
    (-90.0, -120.0),
    (0.0, 0.0),
    (39.7, -105.0),
    (35.7, 139.7),
    (-54.8, -68.3),
];

/// What a radio says.
pub(super) type Packet = (u32, Publish);

/// How many others a radio hears.
const NEIGHBOURS: u32 = 3;

/// A radio as its packets describe it.
pub(super) struct Known {
    pub(super) id: u32,
    name: String,
    /// In units of 1e-7 degrees.
    place: (i32, i32),
    /// When that and the battery were told of, in seconds since 1970.
    placed_at: u32,
    battery: (u32, u32),
    neighbours: Vec<u32>,
    neighbours_at: u32,
    heard: u32,
}

/// What has been published so far.
pub(super) struct Truth {
    nodes: BTreeMap<u32, Known>,
    texts: BTreeSet<String>,
    /// When the next packets are heard, in seconds since 1970.
    now: u32,
}

impl Known {
    pub(super) fn degrees(&self) -> (f64, f64) {
        (f64::from(self.place.0) / 1e7, f64::from(self.place.1) / 1e7)
    }

    fn radio(&self) -> Radio {
        Radio(self.id)
    }

    /// All that is to be sent of it.
    fn record(&self) -> Value {
        let (latitude, longitude) = self.degrees();
        let millis = |seconds: u32| u64::from(seconds) * 1000;
        let link = |id: &u32| json!({ "id": Radio(*id).id(), "snr": 5.25, "time": millis(self.neighbours_at) });
        let record = json!({
            "id": self.radio().id(),
            "network": "meshtastic",
            "longName": self.name,
            "shortName": "R",
            "hwModel": "UNSET",
            "role": "CLIENT",
            "channel": "LongFast",
            "links": self.neighbours.iter().map(link).collect::<Value>(),
            "online": true,
            "lastHeard": millis(self.heard),
            "position": {
                "latitude": latitude,
                "longitude": longitude,
                "time": millis(self.placed_at),
                "precisionBits": 32,
            },
            "telemetry": { "batteryLevel": self.battery.0, "time": millis(self.battery.1) },
        });
        // Through text and back, as what came over the wire did.
        serde_json::from_str(&record.to_string()).unwrap()
    }
}

/// The fields of a record that are sent to those who ask for this kind.
fn fields(kind: &str) -> &[&str] {
    match kind {
        "position" => &["position"],
        "telemetry" => &["telemetry"],
        "status" => &["online", "lastHeard"],
        _ => {
            &["network", "longName", "shortName", "hwModel", "role", "firmware", "channel", "links"]
        }
    }
}

/// The truth when nothing moves any more.
pub(super) struct Settled {
    nodes: Vec<(Known, Value)>,
    /// Every text that was said.
    pub(super) texts: BTreeSet<String>,
}

impl Settled {
    /// What is wrong with what a client with this view holds, in words.
    pub(super) fn differences(&self, view: &View, held: &BTreeMap<String, Value>) -> String {
        let mut wrong = String::new();
        let mut right = 0;
        for (node, record) in &self.nodes {
            let held = held.get(&node.radio().id());
            let shown = view.shows(node).then(|| view_of(record, view));
            right += usize::from(held.is_some());
            if held != shown.as_deref() {
                let id = node.radio().id();
                writeln!(wrong, "{id} is held as {held:?} and should be {shown:?}").unwrap();
            }
        }
        if right < held.len() {
            writeln!(wrong, "{} nodes are held, of which there are {right}", held.len()).unwrap();
        }
        wrong
    }

    /// How many nodes it should show in which cell, and how many of them online.
    pub(super) fn counted(&self, view: &View) -> BTreeMap<String, (u64, u64)> {
        let mut counts = BTreeMap::new();
        for cell in self.nodes.iter().filter_map(|(node, _)| view.cell(node)) {
            let count = counts.entry(cell).or_insert((0, 0));
            *count = (count.0 + 1, count.1 + 1);
        }
        counts
    }

    /// Whether a client that shows the marker shows it at its last place.
    pub(super) fn shows_marker(&self, held: &BTreeMap<String, Value>) -> bool {
        let (marker, record) = self.nodes.last().unwrap();
        let held = held.get(&marker.radio().id());
        held.is_some_and(|held| held["position"] == record["position"])
    }
}

/// Of a record the fields that a client asks for.
fn view_of<'a>(record: &'a Value, view: &View) -> Cow<'a, Value> {
    let unwanted: Vec<_> = NODE_TYPES.iter().filter(|kind| !view.asks_for(kind)).collect();
    if unwanted.is_empty() {
        return Cow::Borrowed(record);
    }
    let mut record = record.clone();
    for field in unwanted.into_iter().flat_map(|kind| fields(kind)) {
        record.as_object_mut().unwrap().remove(*field);
    }
    Cow::Owned(record)
}

impl Truth {
    /// Every radio says who and where it is.
    pub(super) fn begin(rng: &mut Rng) -> (Self, Vec<Packet>) {
        // Not later than the server's clock, however long the storm is.
        let now = now_seconds() - 600;
        let mut truth = Self { nodes: BTreeMap::new(), texts: BTreeSet::new(), now };
        let mut packets = Vec::new();
        for id in RADIOS.chain([MARKER]) {
            let known = Known {
                id,
                name: String::new(),
                place: (0, 0),
                placed_at: now,
                battery: (0, now),
                neighbours: Vec::new(),
                neighbours_at: now,
                heard: now,
            };
            truth.nodes.insert(id, known);
            packets.push(truth.name(id, rng));
            packets.push(truth.charge(id, rng));
            packets.push(truth.listen(id, rng));
            packets.push(truth.travel(id, rng));
        }
        (truth, packets)
    }

    /// A second passes.
    pub(super) fn pass_time(&mut self) {
        self.now += 1;
    }

    /// Something that a radio says.
    pub(super) fn packet(&mut self, id: u32, rng: &mut Rng) -> Packet {
        match rng.u8(0..20) {
            0 => self.name(id, rng),
            1 | 2 => self.charge(id, rng),
            3 => self.text(id),
            4 => self.listen(id, rng),
            5 => self.travel(id, rng),
            _ => self.walk(id, rng),
        }
    }

    /// The last packet of all.
    pub(super) fn mark(&mut self) -> Packet {
        self.move_to(MARKER, (480_000_000, 20_000_000))
    }

    pub(super) fn settled(self) -> Settled {
        // The marker has the highest id.
        let nodes = self.nodes.into_values().map(|node| {
            let record = node.record();
            (node, record)
        });
        Settled { nodes: nodes.collect(), texts: self.texts }
    }

    fn name(&mut self, id: u32, rng: &mut Rng) -> Packet {
        let name = format!("Radio {id} \"{}\" <b>é</b>", rng.u16(..));
        let node = self.hear(id);
        node.name.clone_from(&name);
        let user = User { long_name: name, short_name: "R".to_owned(), ..User::default() };
        self.says(id, PortNum::NodeinfoApp, &user.encode_to_vec())
    }

    fn charge(&mut self, id: u32, rng: &mut Rng) -> Packet {
        let level = rng.u32(0..=101);
        let time = self.now;
        self.hear(id).battery = (level, time);
        let metrics = DeviceMetrics { battery_level: Some(level), ..DeviceMetrics::default() };
        let telemetry = Telemetry { time, variant: Some(Variant::DeviceMetrics(metrics)) };
        self.says(id, PortNum::TelemetryApp, &telemetry.encode_to_vec())
    }

    fn listen(&mut self, id: u32, rng: &mut Rng) -> Packet {
        let first = rng.u32(RADIOS);
        let neighbours: Vec<_> =
            (first..first + NEIGHBOURS).filter(|neighbour| *neighbour != id).collect();
        let heard =
            |node_id: &u32| Neighbor { node_id: *node_id, snr: 5.25, ..Neighbor::default() };
        let list = NeighborInfo {
            node_id: id,
            neighbors: neighbours.iter().map(heard).collect(),
            ..NeighborInfo::default()
        };
        let now = self.now;
        let node = self.hear(id);
        (node.neighbours, node.neighbours_at) = (neighbours, now);
        self.says(id, PortNum::NeighborinfoApp, &list.encode_to_vec())
    }

    fn text(&mut self, id: u32) -> Packet {
        self.hear(id);
        let text = format!("number {}", self.texts.len());
        self.texts.insert(text.clone());
        self.says(id, PortNum::TextMessageApp, text.as_bytes())
    }

    /// To any town.
    fn travel(&mut self, id: u32, rng: &mut Rng) -> Packet {
        let (latitude, longitude) = TOWNS[rng.usize(..TOWNS.len())];
        let near = |degrees: f64, rng: &mut Rng| (degrees + 4.0 * rng.f64() - 2.0) * 1e7;
        #[expect(clippy::cast_possible_truncation, reason = "places near the Earth fit")]
        let place = (near(latitude, rng) as i64, near(longitude, rng) as i64);
        self.move_to(id, on_earth(place))
    }

    /// A little way, up to 0.2 degrees.
    fn walk(&mut self, id: u32, rng: &mut Rng) -> Packet {
        let (latitude, longitude) = self.nodes[&id].place;
        let step = rng.i64(-2_000_000..=2_000_000);
        let aside = rng.i64(-2_000_000..=2_000_000);
        self.move_to(id, on_earth((i64::from(latitude) + step, i64::from(longitude) + aside)))
    }

    fn move_to(&mut self, id: u32, place: (i32, i32)) -> Packet {
        let time = self.now;
        let node = self.hear(id);
        (node.place, node.placed_at) = (place, time);
        let position = Position {
            latitude_i: Some(place.0),
            longitude_i: Some(place.1),
            precision_bits: 32,
            time,
            ..Position::default()
        };
        self.says(id, PortNum::PositionApp, &position.encode_to_vec())
    }

    fn hear(&mut self, id: u32) -> &mut Known {
        let node = self.nodes.get_mut(&id).unwrap();
        node.heard = self.now;
        node
    }

    fn says(&self, id: u32, port: PortNum, payload: &[u8]) -> Packet {
        (id, Radio(id).says_at(self.now, port, payload))
    }
}

/// The same place, at most at a pole and once around.
fn on_earth((latitude, longitude): (i64, i64)) -> (i32, i32) {
    const HALF: i64 = 1_800_000_000;
    let latitude = latitude.clamp(-HALF / 2, HALF / 2);
    let longitude =
        if longitude.abs() > HALF { longitude - 2 * HALF * longitude.signum() } else { longitude };
    (i32::try_from(latitude).unwrap(), i32::try_from(longitude).unwrap())
}

//! What a client asks for, and what that means: written down a second time, apart from the server.

use std::f64::consts::PI;

use fastrand::Rng;
use serde_json::{Value, json};

use super::truth::{Known, MARKER, RADIOS, TOWNS};

/// The types of messages that tell of nodes.
pub(super) const NODE_TYPES: [&str; 4] = ["node", "position", "telemetry", "status"];

/// A rectangle: west, south, east, north.
#[derive(Clone, Debug)]
struct Rectangle([f64; 4]);

#[derive(Clone, Debug, Default)]
pub(super) struct View {
    bounds: Option<Vec<Rectangle>>,
    node_ids: Option<Vec<u32>>,
    also_ids: Vec<u32>,
    types: Option<Vec<&'static str>>,
    cells: Option<u32>,
}

impl View {
    /// Any kind of filter.
    pub(super) fn any(rng: &mut Rng) -> Self {
        let mut view = Self::default();
        match rng.u32(0..10) {
            0 => view.node_ids = Some(some_radios(rng, 1..20)),
            1 => view.bounds = Some((0..rng.usize(0..=8)).map(|_| Rectangle::any(rng)).collect()),
            2 => {
                view.bounds = Some(vec![Rectangle::large(rng)]);
                view.node_ids = Some(some_radios(rng, 20..60));
            }
            3 => {
                view.bounds = rng.bool().then(|| vec![Rectangle::large(rng)]);
                view.cells = Some(rng.u32(0..=14));
            }
            _ => view.bounds = Some(vec![Rectangle::any(rng)]),
        }
        if rng.u8(0..3) == 0 {
            view.also_ids = some_radios(rng, 0..5);
            view.also_ids.push(MARKER);
        }
        if rng.u8(0..4) == 0 {
            let all = NODE_TYPES.into_iter().chain(["message"]);
            view.types = Some(all.filter(|_| rng.bool()).collect());
        }
        view
    }

    /// Many nodes, and other ones than anybody else: nothing that is sent to one is shared.
    pub(super) fn heavy(rng: &mut Rng) -> Self {
        let mut seen = RADIOS.collect::<Vec<_>>();
        rng.shuffle(&mut seen);
        seen.truncate(seen.len() * 3 / 4);
        let also_ids = if rng.bool() { vec![MARKER] } else { Vec::new() };
        Self { node_ids: Some(seen), also_ids, ..Self::default() }
    }

    /// All that is said, and nothing else.
    pub(super) fn messages() -> Self {
        Self { types: Some(vec!["message"]), ..Self::default() }
    }

    /// As it goes over the wire.
    pub(super) fn filter(&self) -> Value {
        let mut filter = json!({});
        if let Some(bounds) = &self.bounds {
            let one = |Rectangle([west, south, east, north]): &Rectangle| json!({ "west": west, "south": south, "east": east, "north": north });
            filter["bounds"] = match &bounds[..] {
                [only] => one(only),
                several => several.iter().map(one).collect(),
            };
        }
        let ids = |ids: &[u32]| ids.iter().map(|id| format!("!{id:08x}")).collect::<Value>();
        if let Some(named) = &self.node_ids {
            filter["nodeIds"] = ids(named);
        }
        if !self.also_ids.is_empty() {
            filter["alsoIds"] = ids(&self.also_ids);
        }
        if let Some(types) = &self.types {
            filter["messageTypes"] = json!(types);
        }
        if let Some(zoom) = self.cells {
            filter["cells"] = json!({ "zoom": zoom });
        }
        filter
    }

    /// Whether it shows the marker move, wherever that is.
    pub(super) fn shows_marker(&self) -> bool {
        self.also_ids.contains(&MARKER) && self.asks_for("position")
    }

    pub(super) fn shows(&self, node: &Known) -> bool {
        let picked = self.also_ids.contains(&node.id);
        self.holds_nodes() && (picked || self.cells.is_none() && self.spans(node))
    }

    /// The cell that the node is counted in.
    pub(super) fn cell(&self, node: &Known) -> Option<String> {
        let zoom = self.cells.filter(|_| self.spans(node))?;
        let (latitude, longitude) = node.degrees();
        let width = 2_f64.powi(i32::try_from(zoom).unwrap());
        let mercator = (PI / 4.0 + latitude.to_radians() / 2.0).tan().max(1e-300).ln();
        let x = ((longitude + 180.0) / 360.0 * width).floor().clamp(0.0, width - 1.0);
        let y = ((1.0 - mercator / PI) / 2.0 * width).floor().clamp(0.0, width - 1.0);
        Some(format!("{zoom}/{x}/{y}"))
    }

    /// Whether these fields of a record are sent.
    pub(super) fn asks_for(&self, kind: &str) -> bool {
        self.types.as_ref().is_none_or(|types| types.contains(&kind))
    }

    fn holds_nodes(&self) -> bool {
        NODE_TYPES.iter().any(|kind| self.asks_for(kind))
    }

    fn spans(&self, node: &Known) -> bool {
        self.node_ids.as_ref().is_none_or(|ids| ids.contains(&node.id))
            && self.bounds.as_ref().is_none_or(|bounds| {
                bounds.iter().any(|rectangle| rectangle.contains(node.degrees()))
            })
    }
}

impl Rectangle {
    /// Around a town, or just beside it.
    fn any(rng: &mut Rng) -> Self {
        let (latitude, longitude) = TOWNS[rng.usize(..TOWNS.len())];
        let middle = (latitude + 4.0 * rng.f64() - 2.0, longitude + 4.0 * rng.f64() - 2.0);
        Self::around(middle, 0.2 + 3.0 * rng.f64(), 0.2 + 4.0 * rng.f64())
    }

    fn large(rng: &mut Rng) -> Self {
        let middle = (180.0 * rng.f64() - 90.0, 360.0 * rng.f64() - 180.0);
        Self::around(middle, 20.0 + 60.0 * rng.f64(), 40.0 + 130.0 * rng.f64())
    }

    fn around((latitude, longitude): (f64, f64), height: f64, width: f64) -> Self {
        let on_earth = |longitude: f64| (longitude + 540.0).rem_euclid(360.0) - 180.0;
        let south = (latitude - height).clamp(-90.0, 90.0);
        let north = (latitude + height).clamp(-90.0, 90.0);
        Self([on_earth(longitude - width), south, on_earth(longitude + width), north])
    }

    fn contains(&self, (latitude, longitude): (f64, f64)) -> bool {
        let Self([west, south, east, north]) = *self;
        let inside = if west > east {
            longitude >= west || longitude <= east
        } else {
            longitude >= west && longitude <= east
        };
        inside && latitude >= south && latitude <= north
    }
}

fn some_radios(rng: &mut Rng, count: std::ops::Range<usize>) -> Vec<u32> {
    let mut chosen = RADIOS.collect::<Vec<_>>();
    rng.shuffle(&mut chosen);
    chosen.truncate(rng.usize(count));
    chosen
}

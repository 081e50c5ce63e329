use std::{cell::Cell, collections::BTreeSet, time::Duration};

use bytes::Bytes;
use proptest::prelude::*;

use super::{super::View, *};
use crate::{
    broadcast::{Binding, Frame},
    domain::{
        Batch, Bounds, Filter, Lifetimes, Network, NodeId, Patch, Position, Stamp, Timestamp, World,
    },
};

thread_local! {
    static WRITTEN: Cell<usize> = const { Cell::new(0) };
}

/// Writes the number of a node, and its place.
struct Plain;

impl Encoder for Plain {
    fn encode(&mut self, _batch: &Batch, _view: &View<'_>) -> Arc<[Frame]> {
        unreachable!("there are no ticks here")
    }

    fn write_record(_encoding: Encoding, node: &Node, records: &mut Vec<u8>) {
        WRITTEN.set(WRITTEN.get() + 1);
        records.extend_from_slice(record(node).as_bytes());
    }

    fn binding(_encoding: Encoding) -> Binding {
        Binding { before: b"<", between: b",", after: b">" }
    }

    fn columns<'a>(nodes: impl Iterator<Item = &'a Node>) -> Bytes {
        let records: Vec<_> = nodes.map(record).collect();
        WRITTEN.set(WRITTEN.get() + records.len());
        format!("<{}>", records.join(",")).into()
    }
}

fn record(node: &Node) -> String {
    let degrees = node.place().map(|place| (place.latitude(), place.longitude()));
    format!("{} {degrees:?}", node.number).replace(',', " ")
}

/// A world and its pages, from tick to tick.
struct Both {
    world: World,
    pages: Pages,
    now: Timestamp,
}

impl Both {
    fn new() -> Self {
        let day = Duration::from_hours(24);
        let lifetimes = Lifetimes { offline_after: day, forget_after: day, tombstones: day };
        let now = Timestamp::from_seconds(1_800_000_000);
        Self { world: World::new(lifetimes), pages: Pages::default(), now }
    }

    /// Twenty nodes, each a degree east of the one before.
    fn in_a_row() -> Self {
        let mut both = Self::new();
        for node in 0..20 {
            both.step((node, What::At(0, node.into())));
        }
        both.tick();
        both
    }

    /// A node is at these degrees, is heard, or is forgotten.
    fn step(&mut self, (node, what): Step) {
        self.now = self.now.plus(Duration::from_secs(1));
        let id = NodeId::Radio(node.into());
        let mut patch = Patch::heard(id.clone(), Network::Meshtastic, self.now);
        match what {
            What::At(latitude, longitude) => {
                patch.position = Some(Position {
                    place: Place::from_degrees(latitude.into(), longitude.into()).unwrap(),
                    altitude_m: None,
                    ground_speed_kmh: None,
                    ground_track_deg: None,
                    sats_in_view: None,
                    precision_bits: None,
                    stamp: Stamp::heard(self.now),
                });
            }
            What::Heard => {}
            What::Forgotten => {
                self.world.forget(&id, self.now);
                return;
            }
        }
        self.world.apply(&patch, self.now);
    }

    fn tick(&mut self) {
        let batch = self.world.seal();
        batch.iter().flat_map(|batch| &batch.changes).for_each(|change| self.pages.turn(change));
    }

    fn excerpt(&self, bounds: Option<&Area>) -> Excerpt {
        self.pages.excerpt(bounds, Encoding::Proto)
    }

    fn matching(&self, bounds: Option<&Area>) -> BTreeSet<String> {
        let filter = Filter { bounds: bounds.cloned(), ..Filter::default() };
        self.world.matching(&filter).iter().map(|node| record(node)).collect()
    }
}

fn in_columns(mut excerpt: Excerpt) -> Excerpt {
    excerpt.set_in_columns();
    excerpt
}

/// What is written of an excerpt, each record once.
fn written(mut excerpt: Excerpt) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    while write_part(&mut excerpt, &mut all) {}
    assert!(excerpt.is_done());
    all
}

/// Whether there was one part more.
fn write_part(excerpt: &mut Excerpt, all: &mut BTreeSet<String>) -> bool {
    let Some(part) = excerpt.next_part::<Plain>() else { return false };
    let part = str::from_utf8(&part).unwrap();
    let pages: Vec<_> =
        part.strip_prefix('<').unwrap().strip_suffix('>').unwrap().split("><").collect();
    let most = if excerpt.is_in_columns() { PAGES_PER_SHEAF } else { 1 };
    assert!((1..=most).contains(&pages.len()), "{part}");
    for records in pages {
        assert!((1..=NODES_PER_PAGE).contains(&records.split(',').count()), "{part}");
        for record in records.split(',') {
            assert!(all.insert(record.to_owned()), "{record} comes twice");
        }
    }
    true
}

type Step = (u8, What);

#[derive(Clone, Copy, Debug)]
enum What {
    At(i16, i16),
    Heard,
    Forgotten,
}

fn step() -> impl Strategy<Value = Step> {
    let place = (-8..=9_i16, -9..=9_i16);
    let what = prop_oneof![
        6 => place.prop_map(|(latitude, longitude)| What::At(latitude * 10, longitude * 20)),
        1 => Just(What::Heard),
        2 => Just(What::Forgotten),
    ];
    (0..24_u8, what)
}

fn area() -> impl Strategy<Value = Option<Area>> {
    let edges = (-90..=90_i8, -90..=90_i8, -90..=90_i8, -90..=90_i8);
    let bounds = edges.prop_map(|(one, other, east, west)| {
        let [north, south, east, west] =
            [one.max(other), one.min(other), east, west].map(f64::from);
        Bounds::new(north, south, east * 2.0, west * 2.0).unwrap()
    });
    prop::option::of(prop::collection::vec(bounds, 1..3).prop_map(Area::new))
}

proptest! {
    #[test]
    fn pages_show_what_the_world_holds(
        ticks in prop::collection::vec(prop::collection::vec(step(), 0..12), 1..24),
        areas in prop::collection::vec(area(), 3),
    ) {
        let mut both = Both::new();
        let (mut earlier, mut begun) = (Vec::new(), Vec::new());
        for (tick, area) in ticks.into_iter().zip(areas.iter().cycle()) {
            for step in tick {
                both.step(step);
            }
            both.tick();
            let area = area.as_ref();
            let (excerpt, matching) = (both.excerpt(area), both.matching(area));
            prop_assert_eq!(written(excerpt.clone()), matching.clone());
            prop_assert_eq!(written(in_columns(excerpt.clone())), matching.clone());
            let nodes: BTreeSet<_> = excerpt.nodes().map(|node| record(node)).collect();
            prop_assert_eq!(&nodes, &matching);
            let (mut half, mut of_half) = (excerpt.clone(), BTreeSet::new());
            write_part(&mut half, &mut of_half);
            begun.push((half, of_half, matching.clone()));
            let (mut half, mut of_half) = (in_columns(excerpt.clone()), BTreeSet::new());
            write_part(&mut half, &mut of_half);
            begun.push((half, of_half, matching.clone()));
            earlier.push((excerpt.clone(), matching.clone()));
            earlier.push((in_columns(excerpt), matching));
            let sheaves = &both.pages.sheaves;
            let pages = || sheaves.values().flat_map(|sheaf| sheaf.by_rank());
            let ends: Vec<_> = pages().filter_map(|(_, page)| page.until()).collect();
            let begins: Vec<_> = pages().map(|(first, _)| *first).skip(1).collect();
            prop_assert_eq!(ends, begins, "each page ends where the next one begins");
            prop_assert!(sheaves.values().skip(1).all(|sheaf| !sheaf.extent().is_empty));
            for (first, sheaf) in sheaves {
                prop_assert_eq!(Some(first), sheaf.by_rank().keys().next());
                prop_assert!((1..=PAGES_PER_SHEAF).contains(&sheaf.len()));
                let sizes: Vec<_> = sheaf.pages().map(|page| page.len()).collect();
                prop_assert!(sizes[1..].iter().all(|size| (1..=NODES_PER_PAGE).contains(size)));
            }
        }
        for (excerpt, matching) in earlier {
            prop_assert_eq!(written(excerpt), matching, "what was handed out stays as it was");
        }
        for (half, mut all, matching) in begun {
            all.extend(written(half));
            prop_assert_eq!(all, matching, "and so does what was begun");
        }
    }
}

#[test]
fn a_record_is_written_once_for_all_who_are_shown_it_and_anew_when_it_changes() {
    let mut both = Both::in_a_row();
    let everything = |both: &Both| writes(both.excerpt(None));
    assert_eq!(everything(&both), 20);
    assert_eq!(everything(&both), 0);
    let here = Area::from(Bounds::new(1.0, -1.0, 10.0, 0.0).unwrap());
    assert_eq!(writes(both.excerpt(Some(&here))), 0);
    both.step((3, What::Heard));
    both.step((4, What::At(0, 120)));
    both.tick();
    assert_eq!(everything(&both), 2);
}

/// How many records have to be written for it.
fn writes(excerpt: Excerpt) -> usize {
    let before = WRITTEN.get();
    written(excerpt);
    WRITTEN.get() - before
}

#[test]
fn columns_are_written_once_for_all_and_anew_for_a_page_that_changed() {
    let mut both = Both::in_a_row();
    let everything = |both: &Both| writes(in_columns(both.excerpt(None)));
    assert_eq!(everything(&both), 20);
    assert_eq!(everything(&both), 0);
    both.step((3, What::Heard));
    both.tick();
    assert!((1..=NODES_PER_PAGE).contains(&everything(&both)));
    assert_eq!(everything(&both), 0);
    // From its page to another one, which both are other pages then.
    both.step((4, What::At(0, 120)));
    both.tick();
    assert!((2..=2 * NODES_PER_PAGE).contains(&everything(&both)));
    assert_eq!(everything(&both), 0);
}

#[test]
fn who_comes_second_after_a_change_is_sent_whole_sheaves() {
    let mut both = Both::in_a_row();
    let parts = |both: &Both| {
        let mut excerpt = in_columns(both.excerpt(None));
        std::iter::from_fn(|| excerpt.next_part::<Plain>()).count()
    };
    let (pages, sheaves) =
        (both.pages.sheaves.values().map(|sheaf| sheaf.len()).sum(), both.pages.sheaves.len());
    assert!(sheaves < pages, "{sheaves} sheaves of {pages} pages");
    assert_eq!(parts(&both), pages);
    assert_eq!([parts(&both), parts(&both)], [sheaves; 2]);
    both.step((3, What::Heard));
    both.tick();
    assert!((sheaves + 1..pages).contains(&parts(&both)), "the others are as they were");
    assert_eq!(parts(&both), sheaves);
}

#[tokio::test(start_paused = true)]
async fn records_are_dropped_when_nobody_was_sent_them_for_long_however_slowly_they_were_taken() {
    let mut both = Both::in_a_row();
    let wait = async |both: &mut Both, times: u32| {
        for _ in 0..times {
            tokio::time::advance(RECORDS_KEPT).await;
            both.pages.drop_unused(Instant::now());
        }
    };
    wait(&mut both, 1).await;
    for encoding in [Encoding::Json, Encoding::Proto] {
        let records = |both: &Both| both.pages.excerpt(None, encoding);
        // Asked for now, and taken later.
        let slow = records(&both);
        wait(&mut both, 5).await;
        assert_eq!(writes(slow), 20);
        wait(&mut both, 1).await;
        assert_eq!(writes(records(&both)), 0, "they were used lately");
        wait(&mut both, 2).await;
        assert_eq!(writes(records(&both)), 20);
    }
    assert_eq!(writes(in_columns(both.excerpt(None))), 20);
    wait(&mut both, 9).await;
    assert_eq!(writes(in_columns(both.excerpt(None))), 0, "columns are kept for good");
}

#[test]
fn neighbours_on_the_map_are_neighbours_on_the_curve() {
    let along = |latitude, longitude| Place::from_e7(latitude, longitude).unwrap().along_curve();
    assert!(along(-900_000_000, -1_800_000_000) < along(-1, -1));
    assert!(along(-1, -1) < along(0, 0));
    assert!(along(0, 0) < along(900_000_000, 1_800_000_000));
    assert!(along(5, 4) < along(5, 5) && along(5, 5) < along(6, 4), "longitudes turn faster");
    assert!(along(900_000_000, 1_800_000_000) < u64::MAX);
}

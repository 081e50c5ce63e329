//! Rules of the world that no client can see from outside.

use std::time::Duration;

use super::*;
use crate::domain::{
    Bounds, Filter, Metric, Network, Place, Position, Readings, Section, SightKind, Stamp,
};

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
const LIFETIMES: Lifetimes = Lifetimes {
    offline_after: Duration::from_hours(2),
    forget_after: Duration::from_hours(48),
    tombstones: Duration::from_hours(1),
};

fn heard(number: u32, at: Timestamp) -> Patch {
    Patch::heard(NodeId::Radio(number), Network::Meshtastic, at)
}

fn placed_at(number: u32, latitude: f64, stamp: Stamp) -> Patch {
    let mut patch = heard(number, stamp.heard);
    patch.position = Some(Position {
        place: Place::from_degrees(latitude, 10.0).unwrap(),
        altitude_m: None,
        ground_speed_kmh: None,
        ground_track_deg: None,
        sats_in_view: None,
        precision_bits: None,
        stamp,
    });
    patch
}

fn later(minutes: u64) -> Timestamp {
    NOW.plus(Duration::from_mins(minutes))
}

#[test]
fn who_must_not_hear_of_others_is_never_told_what_may_have_left() {
    let mut world = World::new(LIFETIMES);
    world.apply(&placed_at(1, 10.0, Stamp::heard(NOW)), NOW);
    world.seal();
    let cursor = world.revision();
    world.apply(&placed_at(1, 20.0, Stamp::heard(later(1))), later(1));
    world.seal();
    let around = Bounds::new(11.0, 9.0, 11.0, 9.0).unwrap();
    let open = Filter { bounds: Some(around.into()), ..Filter::default() };
    let discreet = Filter { discreet: true, ..open.clone() };
    assert_eq!(world.missed(&open, &open, cursor).unwrap().left.len(), 1);
    assert!(world.missed(&discreet, &discreet, cursor).is_none());
    assert!(world.missed(&open, &discreet, cursor).is_none());
}

#[test]
fn who_was_away_hears_nothing_of_those_who_moved_elsewhere() {
    let mut world = World::new(LIFETIMES);
    let move_all = |world: &mut World, minutes: u32| {
        let at = later(minutes.into());
        for number in 1..=9 {
            // Each wanders within its own tenth of a degree.
            let wandered = f64::from(number) + f64::from(minutes) / 100.0;
            world.apply(&placed_at(number, wandered, Stamp::heard(at)), at);
        }
        world.seal();
    };
    move_all(&mut world, 0);
    let cursor = world.revision();
    let held = Bounds::new(5.05, 4.5, 11.0, 9.0).unwrap();
    let held = Filter { bounds: Some(held.into()), ..Filter::default() };
    (1..10).for_each(|minutes| move_all(&mut world, minutes));
    let missed = world.missed(&held, &held, cursor).unwrap();
    let left: Vec<_> = missed.left.iter().map(|gone| gone.id.clone()).collect();
    assert_eq!((left, missed.entered.len()), (vec![NodeId::Radio(5)], 0));
}

#[test]
fn what_is_no_news_makes_no_revision() {
    let mut world = World::new(LIFETIMES);
    let mut patch = placed_at(1, 10.0, Stamp::heard(NOW));
    patch.info.long_name = Some("Hill".into());
    patch.telemetry = Some(Readings {
        stamp: Stamp::heard(NOW),
        section: Section::Device,
        values: vec![(Metric::Voltage, 3.9)],
    });
    world.apply(&patch, NOW);
    assert!(world.seal().is_some());
    let revision = world.revision();
    world.apply(&patch, NOW);
    assert!(world.seal().is_none());
    assert_eq!(world.revision(), revision);
}

#[test]
fn a_name_counts_although_packets_heard_after_it_came_first() {
    let mut world = World::new(LIFETIMES);
    let said = |minute, name: Option<&str>, channel: &str| {
        let mut patch = heard(1, later(minute));
        patch.info.long_name = name.map(Into::into);
        patch.info.channel = Some(channel.into());
        patch
    };
    for patch in [
        said(1, Some("Hill"), "a"),
        said(3, None, "c"),
        said(2, Some("Valley"), "b"),
        // Older than the name that is known.
        said(1, Some("Hill"), "a"),
    ] {
        world.apply(&patch, later(3));
    }
    let batch = world.seal().unwrap();
    let info = &batch.changes[0].after.as_ref().unwrap().info;
    assert_eq!((info.long_name.as_deref(), info.channel.as_deref()), (Some("Valley"), Some("c")));
}

#[test]
fn each_node_is_in_the_log_once_however_often_it_changes() {
    let mut world = World::new(LIFETIMES);
    for minute in 0..100 {
        for number in 1..=3 {
            #[expect(clippy::cast_precision_loss, reason = "small numbers")]
            let latitude = minute as f64 / 10.0;
            world.apply(&placed_at(number, latitude, Stamp::heard(later(minute))), later(minute));
        }
    }
    assert_eq!(world.log.len(), 3);
    assert_eq!(world.places.size(), 3);
    assert_eq!(world.silences.len(), 3);
    world.forget(&NodeId::Radio(2), later(100));
    assert_eq!((world.log.len(), world.places.size(), world.silences.len()), (3, 2, 2));
    world.pass_time(later(100).plus(LIFETIMES.tombstones));
    assert_eq!(world.log.len(), 2, "the tombstone has fallen");
    assert!(world.tombstones.is_empty() && world.tombstone_ages.is_empty());
}

#[test]
fn a_batch_holds_one_change_a_node_from_the_tick_before_to_now() {
    let mut world = World::new(LIFETIMES);
    world.apply(&placed_at(1, 10.0, Stamp::heard(NOW)), NOW);
    world.seal();
    for minute in 1..=3 {
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        let latitude = 10.0 + minute as f64;
        world.apply(&placed_at(1, latitude, Stamp::heard(later(minute))), later(minute));
    }
    let batch = world.seal().unwrap();
    assert_eq!(batch.changes.len(), 1);
    let latitude =
        |node: &Option<Arc<Node>>| node.as_ref().unwrap().position.unwrap().place.latitude();
    let change = &batch.changes[0];
    assert_eq!((latitude(&change.before), latitude(&change.after)), (10.0, 13.0));
}

#[test]
fn a_node_forgotten_and_heard_again_in_one_tick_is_sent_whole() {
    let mut world = World::new(LIFETIMES);
    let mut named = heard(1, NOW);
    named.info.long_name = Some("Hill".into());
    world.apply(&named, NOW);
    world.seal();
    world.forget(&NodeId::Radio(1), later(1));
    world.apply(&heard(1, later(1)), later(1));
    let batch = world.seal().unwrap();
    let kind = batch.changes[0].seen_through(&Filter::default());
    assert_eq!(kind, Some(SightKind::Enter), "its old name is gone");
}

#[test]
fn a_silent_node_turns_offline_and_then_leaves_and_one_that_speaks_does_neither() {
    let mut world = World::new(LIFETIMES);
    world.apply(&heard(1, NOW), NOW);
    world.apply(&heard(2, NOW), NOW);
    world.apply(&heard(2, later(60)), later(60));
    world.pass_time(later(121));
    let online = |world: &World, number| world.get(&NodeId::Radio(number)).unwrap().status.online;
    assert!(!online(&world, 1) && online(&world, 2));
    world.apply(&heard(1, later(122)), later(122));
    assert!(online(&world, 1), "it is heard again");
    world.pass_time(later(60).plus(LIFETIMES.forget_after));
    assert!(world.get(&NodeId::Radio(2)).is_none());
    assert!(world.get(&NodeId::Radio(1)).is_some());
    world.pass_time(later(122).plus(LIFETIMES.forget_after));
    assert!(world.is_empty());
}

#[test]
fn a_node_whose_clock_runs_behind_still_moves_after_an_undated_position() {
    let mut world = World::new(LIFETIMES);
    let weeks_ago = NOW.minus(Duration::from_hours(24 * 48));
    world.apply(&placed_at(1, 10.0, Stamp::heard(NOW)), NOW);
    let dated = Stamp::dated(weeks_ago, later(1));
    world.apply(&placed_at(1, 11.0, dated), later(1));
    let latitude = |world: &World| {
        world.get(&NodeId::Radio(1)).unwrap().position.unwrap().place.latitude().to_string()
    };
    assert_eq!(latitude(&world), "11");
    let older = Stamp::dated(weeks_ago.minus(Duration::from_hours(1)), later(2));
    world.apply(&placed_at(1, 12.0, older), later(2));
    assert_eq!(latitude(&world), "11", "by the same clock it is older");
}

#[test]
fn a_restored_world_knows_who_is_online_and_leaves_out_the_forgotten() {
    let node = |number, minutes_ago: u64| {
        Node::heard_first(&heard(number, NOW.minus(Duration::from_mins(minutes_ago))))
    };
    let nodes = vec![node(3, 60 * 48), node(2, 121), node(1, 5)];
    let mut world = World::restore(LIFETIMES, nodes, Vec::new(), None, NOW);
    assert!(!world.has_pending());
    let online = |number| world.get(&NodeId::Radio(number)).map(|node| node.status.online);
    assert_eq!((online(1), online(2), online(3)), (Some(true), Some(false), None));
    world.pass_time(later(120));
    let batch = world.seal().unwrap();
    assert_eq!(batch.changes.len(), 1, "the first turns offline too");
}

fn stored(world: &World) -> Vec<Node> {
    let mut nodes: Vec<Node> = world.nodes.values().map(|entry| (*entry.node).clone()).collect();
    nodes.sort_by_key(|node| node.id.clone());
    for node in &mut nodes {
        node.number = 0;
    }
    nodes
}

#[test]
fn after_a_restart_only_what_was_not_found_as_it_was_counts_as_changed() {
    let mut world = World::new(LIFETIMES);
    for number in 1..=4 {
        world.apply(&placed_at(number, 10.0, Stamp::heard(NOW)), NOW);
    }
    world.seal();
    let (cursor, left) = (world.revision(), world.continuation("epoch"));
    let numbers: Vec<_> = stored_numbers(&world);
    let mut nodes = stored(&world);
    nodes[1].merge(&placed_at(2, 20.0, Stamp::heard(later(1))));
    // The third is gone; the fourth is as it was, but has turned offline meanwhile.
    nodes.remove(2);
    nodes[0].status.last_heard = later(180);
    let now = later(180);
    let world = World::restore(LIFETIMES, nodes, Vec::new(), Some(left), now);
    let missed = world.missed(&Filter::default(), &Filter::default(), cursor).unwrap();
    let entered: Vec<_> = missed.entered.iter().map(|node| node.id.to_string()).collect();
    assert_eq!(entered, ["!00000002"]);
    assert_eq!(missed.left.iter().map(|gone| gone.number).collect::<Vec<_>>(), [numbers[2]]);
    let updated = missed.updated.iter().map(|(node, groups)| (node.id.to_string(), *groups));
    assert_eq!(
        updated.collect::<Vec<_>>(),
        [("!00000001".to_owned(), Groups::STATUS), ("!00000004".to_owned(), Groups::STATUS)]
    );
    assert_eq!(stored_numbers(&world), [numbers[0], numbers[1], numbers[3]]);
}

fn stored_numbers(world: &World) -> Vec<u32> {
    let mut nodes: Vec<_> = world.nodes.values().map(|entry| &entry.node).collect();
    nodes.sort_by_key(|node| node.id.clone());
    nodes.iter().map(|node| node.number).collect()
}

#[test]
fn a_number_is_never_given_to_another_node() {
    let mut world = World::new(LIFETIMES);
    let number_of = |world: &World, node| world.get(&NodeId::Radio(node)).unwrap().number;
    for node in 1..=2 {
        world.apply(&heard(node, NOW), NOW);
    }
    let first = number_of(&world, 1);
    world.forget(&NodeId::Radio(1), NOW);
    world.apply(&heard(3, NOW), NOW);
    world.apply(&heard(1, NOW), NOW);
    assert_eq!(number_of(&world, 1), first, "while it is remembered, it keeps its number");
    let mut numbers = stored_numbers(&world);
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), 3);
    let greatest = *numbers.last().unwrap();
    world.forget(&NodeId::Radio(3), NOW);
    world.pass_time(later(61));
    let left = world.continuation("epoch");
    let mut world = World::restore(LIFETIMES, stored(&world), Vec::new(), Some(left), later(61));
    world.apply(&heard(4, later(61)), later(61));
    assert!(number_of(&world, 4) > greatest, "not even after the other one is forgotten");
}

#[test]
fn a_restart_does_not_make_an_old_cursor_young() {
    let mut world = World::new(LIFETIMES);
    for number in 1..=2 {
        world.apply(&heard(number, NOW), NOW);
    }
    let cursor = world.revision();
    world.forget(&NodeId::Radio(1), NOW);
    world.pass_time(later(61));
    world.seal();
    let left = world.continuation("epoch");
    let world = World::restore(LIFETIMES, stored(&world), Vec::new(), Some(left), later(61));
    let missed = world.missed(&Filter::default(), &Filter::default(), cursor);
    assert!(missed.is_none(), "nobody remembers any more who left");
}

#[test]
fn cells_that_were_empty_for_long_are_forgotten_and_void_older_cursors() {
    let mut world = World::new(LIFETIMES);
    let zoom = Zoom::new(14).unwrap();
    let filter = Filter { cells: Some(zoom), ..Filter::default() };
    world.count_cells(zoom, NOW);
    let mut cursors = Vec::new();
    for minute in 0..200_u32 {
        let at = later(u64::from(minute));
        world.apply(&placed_at(1, f64::from(minute) / 10.0, Stamp::heard(at)), at);
        world.seal();
        world.age_cells(|_| true, at);
        cursors.push(world.revision());
    }
    let grid = &world.grids[&zoom];
    assert!(grid.size() < 70, "{} cells for one node", grid.size());
    let missed = |cursor| world.missed(&filter, &filter, cursor).map(|missed| missed.cells.len());
    assert_eq!(missed(cursors[0]), None);
    assert_eq!(missed(cursors[199]), Some(0));
    assert_eq!(missed(cursors[198]), Some(2), "the one that it left, and the one that it is in");
    world.age_cells(|_| false, later(300));
    assert!(world.grids.is_empty(), "nobody looks any more");
}

//! Who speaks when. Time comes in as an argument: `next(now)` says what is due.

use std::{cmp::Reverse, collections::BinaryHeap, time::Duration};

use super::{
    model::{Node, Part, Population},
    numbers::whole,
    random::Random,
};
use crate::domain::Timestamp;

/// How far behind a schedule may run before what was missed is skipped.
const PATIENCE: Duration = Duration::from_secs(2);

/// How far the simulated past reaches back.
const PAST: Duration = Duration::from_hours(6);

/// How much of the past's beginning is for names and places alone.
const INTRODUCTIONS: Duration = Duration::from_mins(10);

/// How far the trails of travellers reach back.
const TRAIL_MINUTES: u64 = 20;

/// What a node speaks about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// Its names and hardware.
    Info,
    /// Where it is.
    Position,
    /// Its battery.
    Device,
    /// What its radio counted.
    LocalStats,
    /// The weather.
    Environment,
    /// Its panel.
    Power,
    /// The air.
    AirQuality,
    /// A pulse.
    Health,
    /// Devices nearby.
    Crowd,
    /// Whom it hears.
    Neighbours,
    /// The way to another node.
    Traceroute,
    /// A word to everybody.
    Text,
    /// A mark on the map.
    Waypoint,
    /// Itself, unencrypted, for maps.
    MapReport,
}

/// One node speaks once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// Its index in the population.
    pub node: usize,
    /// About what.
    pub subject: Subject,
}

/// A habit: somebody speaks about something again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Habit {
    /// None for what anybody may say.
    node: Option<usize>,
    subject: Subject,
    /// The shortest and the longest pause.
    pause_millis: (u32, u32),
}

/// The timetable of the whole mesh from its start on.
#[derive(Clone, Debug)]
pub struct Schedule {
    due: BinaryHeap<Reverse<(Timestamp, Habit)>>,
    talkers: Vec<usize>,
    random: Random,
}

impl Schedule {
    /// The timetable of `population`, beginning at `start`.
    pub fn new(population: &Population, seed: u64, start: Timestamp) -> Self {
        let mut random = Random::of(seed, 2);
        let mut habits = Vec::new();
        for (at, node) in population.nodes.iter().enumerate() {
            if node.silent_for.is_none() {
                habits.extend(habits_of(at, node));
            }
        }
        for (subject, pause_millis) in [
            (Subject::Text, (1_500, 7_000)),
            (Subject::Traceroute, (3_000, 9_000)),
            (Subject::Waypoint, (60_000, 180_000)),
        ] {
            habits.push(Habit { node: None, subject, pause_millis });
        }
        let due = habits
            .into_iter()
            .map(|habit| {
                let longest = f64::from(habit.pause_millis.1);
                Reverse((start.plus(millis(random.between(0.0, longest))), habit))
            })
            .collect();
        Self { due, talkers: talkers(population), random }
    }

    /// What is due at `now` and was not returned yet, in order of time. What fell due long ago,
    /// because nobody asked, is moved up or left out: a pause is not made up for.
    pub fn next(&mut self, now: Timestamp) -> Vec<Event> {
        let earliest = now.minus(PATIENCE);
        let mut events = Vec::new();
        while let Some(Reverse((due, habit))) = self.due.peek().copied() {
            if due > now {
                break;
            }
            self.due.pop();
            let at = due.max(earliest);
            let (shortest, longest) = habit.pause_millis;
            let pause = self.random.between(f64::from(shortest), f64::from(longest));
            self.due.push(Reverse((at.plus(millis(pause)), habit)));
            let node = habit.node.unwrap_or_else(|| *self.random.pick(&self.talkers));
            events.push(Event { at, node, subject: habit.subject });
        }
        events
    }
}

fn millis(millis: f64) -> Duration {
    Duration::from_millis(u64::from(whole(millis).unsigned_abs()))
}

/// Who writes, marks and traces: everybody who is not a sensor and still speaks.
fn talkers(population: &Population) -> Vec<usize> {
    let speaks = |node: &Node| node.silent_for.is_none() && node.part != Part::Sensor;
    let found = population.nodes.iter().enumerate().filter(|(_, node)| speaks(node));
    let talkers: Vec<usize> = found.map(|(at, _)| at).collect();
    if talkers.is_empty() { vec![0] } else { talkers }
}

/// What a node says by itself, livelier than real radios so that there is something to see.
fn habits_of(at: usize, node: &Node) -> impl Iterator<Item = Habit> + use<> {
    let travels = node.journey.is_some();
    let gateway = node.part == Part::Gateway;
    let senses = node.senses;
    [
        (true, Subject::Info, (90_000, 240_000)),
        (travels, Subject::Position, (1_000, 3_000)),
        (!travels, Subject::Position, (40_000, 90_000)),
        (true, Subject::Device, (20_000, 45_000)),
        (gateway, Subject::LocalStats, (40_000, 80_000)),
        (senses.weather, Subject::Environment, (6_000, 15_000)),
        (senses.power, Subject::Power, (10_000, 25_000)),
        (senses.air, Subject::AirQuality, (10_000, 25_000)),
        (senses.health, Subject::Health, (5_000, 12_000)),
        (senses.crowd, Subject::Crowd, (8_000, 20_000)),
        (gateway, Subject::Neighbours, (30_000, 90_000)),
        (!gateway && !travels && at.is_multiple_of(5), Subject::Neighbours, (60_000, 150_000)),
        (gateway, Subject::MapReport, (60_000, 120_000)),
    ]
    .into_iter()
    .filter(|(has, ..)| *has)
    .map(move |(_, subject, pause_millis)| Habit { node: Some(at), subject, pause_millis })
}

/// What was said before `start`, in order of time, so that trails and charts are not empty: all
/// introduce themselves first, and all but the silent were heard within the last minutes.
pub fn past(population: &Population, seed: u64, start: Timestamp) -> Vec<Event> {
    let mut random = Random::of(seed, 3);
    let mut events = Vec::new();
    for (at, node) in population.nodes.iter().enumerate() {
        past_of(at, node, start, &mut random, &mut events);
    }
    let talkers = talkers(population);
    for (subject, count, hours) in
        [(Subject::Text, 24, 3.0), (Subject::Traceroute, 24, 1.0), (Subject::Waypoint, 4, 2.0)]
    {
        for _ in 0..count {
            let ago = Duration::from_secs_f64(random.between(30.0, hours * 3600.0));
            events.push(Event { at: start.minus(ago), node: *random.pick(&talkers), subject });
        }
    }
    events.sort_unstable();
    events
}

fn past_of(at: usize, node: &Node, start: Timestamp, random: &mut Random, events: &mut Vec<Event>) {
    let mut say =
        |at_time: Timestamp, subject| events.push(Event { at: at_time, node: at, subject });
    let minutes = |random: &mut Random, from: f64, to: f64| {
        Duration::from_secs_f64(random.between(from, to) * 60.0)
    };
    if let Some(silent_for) = node.silent_for {
        let last = start.minus(silent_for);
        for (subject, before) in [(Subject::Info, 20), (Subject::Device, 9), (Subject::Position, 0)]
        {
            say(last.minus(Duration::from_mins(before)), subject);
        }
        return;
    }
    let begin = start.minus(PAST);
    say(begin.plus(minutes(random, 0.0, 5.0)), Subject::Info);
    say(begin.plus(minutes(random, 5.0, 10.0)), Subject::Position);
    let mut repeat = |subject, every_minutes: u64, random: &mut Random| {
        let mut ago = minutes(random, 0.2, 4.0);
        while ago + INTRODUCTIONS < PAST {
            say(start.minus(ago), subject);
            ago += Duration::from_secs(every_minutes * 60) + minutes(random, 0.0, 2.0);
        }
    };
    repeat(Subject::Device, 60, random);
    for (has, subject, every_minutes) in [
        (node.senses.weather, Subject::Environment, 20),
        (node.senses.power, Subject::Power, 40),
        (node.senses.air, Subject::AirQuality, 30),
        (node.senses.health, Subject::Health, 30),
        (node.senses.crowd, Subject::Crowd, 30),
        (node.part == Part::Gateway, Subject::LocalStats, 90),
        (node.part == Part::Gateway, Subject::Neighbours, 150),
        (node.part == Part::Gateway, Subject::MapReport, 180),
        (node.journey.is_none(), Subject::Position, 240),
    ] {
        if has {
            repeat(subject, every_minutes, random);
        }
    }
    if node.journey.is_some() {
        for ago in 0..TRAIL_MINUTES {
            say(start.minus(Duration::from_secs(ago * 60 + 1)), Subject::Position);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;
    use crate::demo::routes::Region;

    const START: Timestamp = Timestamp::from_seconds(1_795_176_000);

    fn population() -> Population {
        Population::new(&Region::rhine().unwrap(), 300, 1)
    }

    fn after(millis: u64) -> Timestamp {
        START.plus(Duration::from_millis(millis))
    }

    #[test]
    fn a_minute_of_three_hundred_nodes_is_forty_to_eighty_packets_a_second() {
        let mut schedule = Schedule::new(&population(), 1, START);
        let warm = schedule.next(after(10_000));
        let events = (1..=600).flat_map(|tick| schedule.next(after(10_000 + tick * 100))).count();
        assert!(
            (40 * 60..=80 * 60).contains(&events),
            "{events} in a minute, {} before",
            warm.len()
        );
    }

    #[test]
    fn the_past_is_in_order_of_time_and_introduces_everybody_before_anything_else() {
        let population = population();
        let events = past(&population, 1, START);
        assert!(events.is_sorted_by_key(|event| event.at));
        assert!(events.iter().all(|event| event.at < START));
        let mut known = HashSet::new();
        for event in &events {
            known.extend((event.subject == Subject::Info).then_some(event.node));
            assert!(known.contains(&event.node), "{event:?} before its introduction");
        }
        assert_eq!(known.len(), population.nodes.len());
        assert!((3000..6000).contains(&events.len()), "{} packets", events.len());
    }

    #[test]
    fn all_but_the_silent_were_heard_within_minutes_of_the_start() {
        let population = population();
        let events = past(&population, 1, START);
        for (at, node) in population.nodes.iter().enumerate() {
            let own = events.iter().filter(|event| event.node == at);
            let ago = START.since(own.map(|event| event.at).max().unwrap());
            match node.silent_for {
                Some(silent_for) => assert_eq!(ago, silent_for),
                None => assert!(ago < Duration::from_mins(5), "{ago:?}"),
            }
        }
    }

    #[test]
    fn the_silent_stay_silent() {
        let population = population();
        let mut schedule = Schedule::new(&population, 1, START);
        let events = schedule.next(after(300_000));
        assert!(events.iter().all(|event| population.nodes[event.node].silent_for.is_none()));
    }

    #[test]
    fn a_pause_is_not_made_up_for() {
        let mut schedule = Schedule::new(&population(), 1, START);
        let an_hour_later = START.plus(Duration::from_hours(1));
        let events = schedule.next(an_hour_later);
        assert!(events.len() < 2000, "{}", events.len());
        assert!(events.iter().all(|event| an_hour_later.since(event.at) <= PATIENCE));
    }

    proptest! {
        #[test]
        fn events_come_in_order_of_time_and_none_before_it_is_due(
            steps in prop::collection::vec(1_u64..1500, 1..40),
        ) {
            let mut schedule = Schedule::new(&population(), 1, START);
            let mut once = Schedule::new(&population(), 1, START);
            let (mut now, mut last, mut all) = (0, START, Vec::new());
            for step in steps {
                now += step;
                for event in schedule.next(after(now)) {
                    prop_assert!(last <= event.at && event.at <= after(now));
                    last = event.at;
                    all.push(event);
                }
            }
            // How often one asks does not change what is said.
            let in_small_steps: Vec<Event> = (0..=now).flat_map(|at| once.next(after(at))).collect();
            prop_assert_eq!(all, in_small_steps);
        }
    }
}

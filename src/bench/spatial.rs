//! `geocast bench spatial`: who sees which of a tick's changes, and nothing else. Every way of finding
//! it out, in CPU time, and whether they all find the same.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use anyhow::Context;

use super::{Report, Target, mesh::Mesh, report, usage::spent_ms};
use crate::{
    config::{Spatial, Views},
    domain::{Area, Bounds, Motion, Pair, Place, Viewports, Way},
};

/// Ticks of one size are told until so much time has gone by, or so often.
const ENOUGH: Duration = Duration::from_secs(2);
const OFTEN: usize = 30;

/// Clients and updates of the target, and the milliseconds of CPU that it names.
const TARGET: (u32, u32, f64) = (10_000, 10_000, 4.0);

/// Measures.
pub(super) async fn run(config: &Spatial, seed: u64) -> anyhow::Result<Report> {
    let config = config.clone();
    // It keeps a core busy for seconds.
    tokio::task::spawn_blocking(move || measure(&config, seed)).await?
}

fn measure(config: &Spatial, seed: u64) -> anyhow::Result<Report> {
    let mut report = report("spatial", seed);
    let most = config.updates.iter().copied().max().unwrap_or_default();
    let mesh = Mesh::new(most as usize, seed);
    for &views in &config.views {
        for &updates in &config.updates {
            let motions = motions(&mesh, updates)?;
            for &clients in &config.clients {
                compare(&mut report, &mesh, views, clients, &motions)?;
            }
        }
        if views != Views::World {
            crossover(&mut report, &mesh, views, &motions(&mesh, most.min(1000))?)?;
        }
    }
    Ok(report)
}

/// One size: what each way costs, and that they agree.
fn compare(
    report: &mut Report,
    mesh: &Mesh,
    views: Views,
    clients: u32,
    motions: &[Motion],
) -> anyhow::Result<()> {
    let (mut viewports, watchers) = watched(mesh, views, clients)?;
    let size = format!("{} {clients} x {}", name(views), motions.len());
    let tried = told_once(&mut viewports, Way::Try, motions);
    report.measured(format!("{size}: views that differ"), f64::from(watchers), "");
    report.measured(format!("{size}: pairs"), tried.found.pairs as f64, "");
    report.measured(format!("{size}: every pair tried"), tried.ms, "ms");
    let mut cheapest = f64::NAN;
    for (name, way) in [("tree asked per change", Way::Ask), ("changes packed", Way::Pack)] {
        let told = told(&mut viewports, way, motions);
        report.measured(format!("{size}: {name}"), told.ms, "ms");
        if told.found != tried.found {
            report.fail(format!("{size}: {name} finds other pairs than trying every one"));
        }
        if way == Way::for_so_many(watchers as usize, motions.len()) {
            cheapest = told.ms;
        }
    }
    let name = format!("{size}: the way that is taken");
    if (clients, motions.len()) == (TARGET.0, TARGET.1 as usize) {
        report.aimed(name, cheapest, "ms", Target::AtMost(TARGET.2));
    } else {
        report.measured(name, cheapest, "ms");
    }
    Ok(())
}

/// How many watchers there have to be for each change, before asking is cheaper than packing.
fn crossover(
    report: &mut Report,
    mesh: &Mesh,
    views: Views,
    motions: &[Motion],
) -> anyhow::Result<()> {
    let mut clients = motions.len() as u32;
    loop {
        let (mut viewports, watchers) = watched(mesh, views, clients)?;
        let [ask, pack] = [Way::Ask, Way::Pack].map(|way| told(&mut viewports, way, motions).ms);
        let last = clients as usize >= motions.len() * 100;
        if ask < pack || last {
            let each = f64::from(watchers) / motions.len() as f64;
            let name = format!("{}: watchers per change when asking is cheaper", name(views));
            report.measured(name, each, if ask < pack { "" } else { "or more" });
            return Ok(());
        }
        clients += clients / 2;
    }
}

fn name(views: Views) -> &'static str {
    match views {
        Views::World => "world",
        Views::Country => "country",
        Views::City => "city",
    }
}

/// The viewports of so many clients, those that are equal once, and how many they are.
fn watched(mesh: &Mesh, views: Views, clients: u32) -> anyhow::Result<(Viewports, u32)> {
    let mut viewports = Viewports::default();
    let mut watchers: HashMap<Area, u32> = HashMap::new();
    for client in 0..clients as usize {
        let view = mesh.view(views, client);
        let area = Area::from(Bounds::new(view.north, view.south, view.east, view.west)?);
        let next = watchers.len() as u32;
        watchers.entry(area).or_insert_with_key(|area| {
            viewports.insert(next, area);
            next
        });
    }
    Ok((viewports, watchers.len() as u32))
}

/// Every node goes on by one position.
fn motions(mesh: &Mesh, updates: u32) -> anyhow::Result<Vec<Motion>> {
    let place = |node: usize, spoken| {
        let (latitude, longitude) = mesh.place(node, spoken);
        Place::from_e7(latitude, longitude).context("a node that is not on Earth")
    };
    let motion = |node| Ok(Motion { before: Some(place(node, 1)?), after: Some(place(node, 2)?) });
    (0..updates as usize).map(motion).collect()
}

/// What was found, in whatever order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Found {
    pairs: u64,
    sum: u64,
}

impl Found {
    fn add(&mut self, Pair { watcher, change, states }: Pair) {
        let states = u64::from(states.before()) | u64::from(states.after()) << 1;
        let pair = u64::from(watcher) << 32 | u64::from(change);
        self.pairs += 1;
        self.sum = self.sum.wrapping_add(crate::demo::random::stir(pair ^ states << 62));
    }
}

struct Told {
    ms: f64,
    found: Found,
}

/// The median of many ticks.
fn told(viewports: &mut Viewports, way: Way, motions: &[Motion]) -> Told {
    let begun = Instant::now();
    let Told { ms, found } = told_once(viewports, way, motions);
    let mut all = vec![ms];
    while all.len() < OFTEN && begun.elapsed() < ENOUGH {
        // What a tick does with a pair is to write it down.
        let before = spent_ms();
        let mut pairs = 0;
        viewports.join_by(way, motions, |pair| {
            pairs += std::hint::black_box(u64::from(pair.states.after()));
        });
        std::hint::black_box(pairs);
        all.push(spent_ms() - before);
    }
    all.sort_unstable_by(f64::total_cmp);
    Told { ms: all.get(all.len() / 2).copied().unwrap_or(f64::NAN), found }
}

fn told_once(viewports: &mut Viewports, way: Way, motions: &[Motion]) -> Told {
    let before = spent_ms();
    let mut found = Found::default();
    viewports.join_by(way, motions, |pair| found.add(pair));
    Told { ms: spent_ms() - before, found }
}

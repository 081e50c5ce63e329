//! The tick: who sees what of a batch, and the hand-over.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use tokio::time::Instant;

use super::{
    Content, Delivery, Encoder, Frame, View, ViewerId,
    broadcaster::Broadcaster,
    client::{Client, Seen},
};
use crate::domain::{Batch, CellCount, Filter, Revision, Sight, SightKind};

impl<E: Encoder> Broadcaster<E> {
    /// Seals what is pending and hands it to those who see it, then serves those who waited.
    pub(super) fn tick(&mut self) {
        let began = Instant::now();
        if let Some(batch) = self.world.seal() {
            let before = std::mem::replace(&mut self.sealed, batch.revision);
            self.sealed_at = began;
            let mut touched = self.match_nodes(&batch);
            self.match_messages(&batch, &mut touched);
            self.match_cells(&batch, &mut touched);
            self.hand_over(&batch, before, touched);
            self.metrics.ticks.inc();
            self.metrics.changes.inc_by(batch.changes.len() as u64);
            self.last_tick = Some(began);
            self.metrics.tick_seconds.observe(began.elapsed().as_secs_f64());
        }
        for commit in self.commits.drain(..) {
            let waited = began.saturating_duration_since(commit);
            self.metrics.commit_to_tick_seconds.observe(waited.as_secs_f64());
        }
        for viewer in std::mem::take(&mut self.waiting) {
            self.serve(viewer);
        }
        self.count_nodes();
    }

    /// Notes with every client what it sees of the nodes, and returns those who see any.
    fn match_nodes(&mut self, batch: &Batch) -> Vec<ViewerId> {
        let mut touched = Vec::new();
        let clients = &mut self.clients;
        for (index, change) in (0_u32..).zip(&batch.changes) {
            let Some(id) = change.id() else { continue };
            let states = change.before.iter().chain(&change.after).map(|node| &**node);
            self.viewports.for_each_watcher(id, states, |viewer| {
                let Some((seen, filter)) = subscriber(clients, viewer) else { return };
                let sights = &mut seen.sights;
                let twice = sights.last().is_some_and(|sight| sight.change == index);
                if let Some(kind) = change.seen_through(filter).filter(|_| !twice) {
                    if sights.is_empty() {
                        touched.push(viewer);
                    }
                    sights.push(Sight { change: index, kind });
                }
            });
        }
        touched
    }

    /// Notes what they hear.
    fn match_messages(&mut self, batch: &Batch, touched: &mut Vec<ViewerId>) {
        let clients = &mut self.clients;
        for (index, spoken) in (0_u32..).zip(&batch.messages) {
            let mut hear = |viewer| {
                let Some((seen, filter)) = subscriber(clients, viewer) else { return };
                let twice = seen.messages.last() == Some(&index);
                if !twice && spoken.heard_through(filter) {
                    if seen.is_empty() {
                        touched.push(viewer);
                    }
                    seen.messages.push(index);
                }
            };
            let states = spoken.sender.iter().map(|node| &**node);
            self.viewports.for_each_watcher(&spoken.message.from, states, &mut hear);
            for (_, viewers) in self.viewports.counting() {
                viewers.iter().copied().for_each(&mut hear);
            }
        }
    }

    /// Notes which cells they see have other counts.
    fn match_cells(&mut self, batch: &Batch, touched: &mut Vec<ViewerId>) {
        for (zoom, viewers) in self.viewports.counting() {
            let cells = batch.touched_cells(zoom, |_| true);
            // The same for everybody who looks at the whole world.
            let mut whole_world: Option<Vec<CellCount>> = None;
            for &viewer in viewers.iter().filter(|_| !cells.is_empty()) {
                let Some((seen, filter)) = subscriber(&mut self.clients, viewer) else { continue };
                let counts = match (&filter.bounds, &filter.node_ids) {
                    (None, None) => whole_world
                        .get_or_insert_with(|| self.world.recount(filter, &cells))
                        .clone(),
                    (_, None) => self.world.recount(filter, &cells),
                    (_, Some(ids)) => {
                        let named = |id: &_| ids.binary_search(id).is_ok();
                        let cells = batch.touched_cells(zoom, named);
                        self.world.recount(filter, &cells)
                    }
                };
                if !counts.is_empty() {
                    if seen.is_empty() {
                        touched.push(viewer);
                    }
                    seen.cells = counts;
                }
            }
        }
    }

    /// Hands the batch to the clients it touches. Those whose socket still holds the last one
    /// keep their cursor, `before`, and get the merged state when they are ready.
    fn hand_over(&mut self, batch: &Batch, before: Revision, touched: Vec<ViewerId>) {
        let mut shared: FxHashMap<View, Arc<[Frame]>> = FxHashMap::default();
        for viewer in touched {
            let Some(client) = self.clients.get_mut(&viewer) else { continue };
            let seen = std::mem::take(&mut client.seen);
            let Some(mailbox) = client.mailbox.upgrade() else { continue };
            let Some(filter) = &client.filter else { continue };
            if client.request.is_some() || !mailbox.is_free() {
                client.behind = Some(before);
                self.metrics.fell_behind.inc();
                continue;
            }
            let told = |kind| seen.sights.iter().filter(|sight| sight.kind == kind).count();
            self.metrics.enters.inc_by(told(SightKind::Enter) as u64);
            self.metrics.leaves.inc_by(told(SightKind::Leave) as u64);
            let view = View {
                encoding: client.encoding,
                types: filter.types,
                sights: seen.sights,
                messages: seen.messages,
                cells: seen.cells,
            };
            let encoder = &mut self.encoder;
            let frames = shared.entry(view).or_insert_with_key(|view| encoder.encode(batch, view));
            self.metrics.deliveries.inc();
            mailbox.put(Delivery {
                revision: batch.revision,
                sealed_at: self.sealed_at,
                content: Content::Tick(Arc::clone(frames)),
            });
        }
    }
}

/// What a client sees of the tick under way, and what it asked for. None if it asked for nothing, or
/// is behind: then it is told of this tick, too, when it catches up.
fn subscriber(
    clients: &mut FxHashMap<ViewerId, Client>,
    viewer: ViewerId,
) -> Option<(&mut Seen, &Filter)> {
    let client = clients.get_mut(&viewer).filter(|client| client.behind.is_none())?;
    client.filter.as_ref().map(|filter| (&mut client.seen, filter))
}

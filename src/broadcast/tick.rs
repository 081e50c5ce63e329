//! The tick: who sees what of a batch, and the hand-over.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use tokio::time::Instant;
use tracing::trace_span;

use super::{
    Content, Delivery, Encoder, Frame, View,
    audiences::{Audience, AudienceSlot, Audiences},
    broadcaster::Broadcaster,
    notes::Notes,
};
use crate::domain::{Batch, Revision, SightKind, TouchedCell, World};

impl<E: Encoder> Broadcaster<E> {
    /// Seals what is pending and hands it to those who see it, then serves those who waited.
    pub(super) fn tick(&mut self) {
        let began = Instant::now();
        self.wait_until = None;
        if let Some(batch) = self.world.seal() {
            let changes = batch.changes.len();
            let span = trace_span!(target: "geocast::otel", "tick", geocast.changes = changes);
            let _in_it = span.entered();
            let before = std::mem::replace(&mut self.sealed, batch.revision);
            self.sealed_at = began;
            batch.changes.iter().for_each(|change| self.pages.turn(change));
            let mut notes = std::mem::take(&mut self.notes);
            notes.begin(self.audiences.most());
            self.audiences.for_each_sight(&batch, |audience, sight| notes.see(audience, sight));
            match_messages(&self.audiences, &batch, &mut notes);
            match_cells(&self.audiences, &self.world, &batch, &mut notes);
            notes.sort();
            self.hand_over(&batch, before, &notes);
            notes.end();
            self.notes = notes;
            self.metrics.ticks.inc();
            self.metrics.changes.inc_by(batch.changes.len() as u64);
            self.due.send_replace(began + self.settings.tick);
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

    /// Hands the batch to the clients it touches. Those whose socket still holds the last one
    /// keep their cursor, `before`, and get the merged state when they are ready.
    fn hand_over(&mut self, batch: &Batch, before: Revision, notes: &Notes) {
        let mut shared: FxHashMap<View<'_>, Arc<[Frame]>> = FxHashMap::default();
        for seen in notes.seen() {
            let Some(Audience { filter, encoding, members }) = self.audiences.get(seen.audience)
            else {
                continue;
            };
            let view = View {
                encoding: *encoding,
                types: filter.types,
                sights: seen.sights,
                messages: seen.messages,
                cells: seen.cells,
            };
            let mut frames = None;
            let mut told = 0;
            for &member in members {
                let Some(client) = self.clients.at_mut(member) else { continue };
                // One who is behind is told of this tick, too, when it catches up.
                if client.behind.is_some() || client.mailbox.is_abandoned() {
                    continue;
                }
                if client.request.is_some() || !client.mailbox.is_free() {
                    client.behind = Some(before);
                    self.metrics.fell_behind.inc();
                    continue;
                }
                let frames = frames.get_or_insert_with(|| {
                    let frames = shared.entry(view);
                    Arc::clone(frames.or_insert_with(|| self.encoder.encode(batch, &view)))
                });
                let is_posted = client.mailbox.post(Delivery {
                    revision: batch.revision,
                    sealed_at: self.sealed_at,
                    content: Content::Tick(Arc::clone(frames)),
                });
                if is_posted {
                    self.rounds.add(&client.mailbox);
                }
                told += 1;
            }
            let passages = |kind| seen.sights.iter().filter(|sight| sight.kind == kind).count();
            self.metrics.enters.inc_by(told * passages(SightKind::Enter) as u64);
            self.metrics.leaves.inc_by(told * passages(SightKind::Leave) as u64);
            self.metrics.deliveries.inc_by(told);
        }
        self.rounds.send();
    }
}

/// Notes what is heard.
fn match_messages(audiences: &Audiences, batch: &Batch, notes: &mut Notes) {
    for (index, spoken) in (0_u32..).zip(&batch.messages) {
        audiences.for_each_hearer(spoken, |audience| notes.hear(audience, index));
    }
}

/// Notes who sees which cells with other counts.
fn match_cells(audiences: &Audiences, world: &World, batch: &Batch, notes: &mut Notes) {
    for (zoom, counters) in audiences.counting() {
        let cells = batch.touched_cells(zoom, |_| true);
        if cells.is_empty() {
            continue;
        }
        let mut tell = |slot: AudienceSlot, cells: &[TouchedCell]| {
            let filter = audiences.get(slot).map(|audience| &audience.filter);
            let counts = filter.map(|filter| world.recount(filter, cells)).unwrap_or_default();
            if !counts.is_empty() {
                notes.count(slot, counts);
            }
        };
        for &slot in &counters.everywhere {
            tell(slot, &cells);
        }
        for (slot, cells) in counters.meeting(&cells) {
            tell(slot, &cells);
        }
        for &slot in &counters.named {
            let ids = audiences.get(slot).and_then(|audience| audience.filter.node_ids.as_ref());
            let named = |id: &_| ids.is_some_and(|ids| ids.binary_search(id).is_ok());
            tell(slot, &batch.touched_cells(zoom, named));
        }
    }
}

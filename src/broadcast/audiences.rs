//! Who looks where: clients by what they asked for, found by place and by node.

use std::collections::BTreeSet;

use rustc_hash::FxHashMap;
use slab::Slab;

use super::{Encoding, client::ClientSlot, counters::Counters};
use crate::domain::{Batch, Change, Filter, Motion, NodeId, Sight, Spoken, Viewports, Zoom};

/// A small number that stands for an audience as long as it has a member.
pub(super) type AudienceSlot = u32;

/// All clients with the same filter and encoding: what one of them is told of a tick, all are, so it
/// is found and written once.
#[derive(Debug)]
pub(super) struct Audience {
    pub(super) filter: Filter,
    pub(super) encoding: Encoding,
    /// In no order.
    pub(super) members: Vec<ClientSlot>,
}

/// Where a client stands among the members of an audience.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seat {
    pub(super) audience: AudienceSlot,
    at: usize,
}

/// An index of audiences. Each stands in exactly one of `viewports`, `nodes`, `cells` and
/// `everywhere`, and in `nodes` also for the nodes that it picks besides, if that says more.
#[derive(Debug, Default)]
pub(super) struct Audiences {
    slots: Slab<Audience>,
    by_wish: FxHashMap<(Encoding, Filter), AudienceSlot>,
    /// Filters with bounds.
    viewports: Viewports,
    /// Filters that name nodes.
    nodes: FxHashMap<NodeId, BTreeSet<AudienceSlot>>,
    /// Filters that ask for counts by tile.
    cells: FxHashMap<Zoom, Counters>,
    /// Filters with none of these.
    everywhere: BTreeSet<AudienceSlot>,
    /// Where the nodes of the tick under way are, kept so that nothing is allocated anew.
    motions: Vec<Motion>,
}

impl Audiences {
    /// Seats a client in the audience with this filter and encoding.
    pub(super) fn join(&mut self, filter: Filter, encoding: Encoding, member: ClientSlot) -> Seat {
        let wish = (encoding, filter);
        let audience = match self.by_wish.get(&wish) {
            Some(&audience) => audience,
            None => self.open(wish),
        };
        let members = &mut self.slots[audience as usize].members;
        members.push(member);
        Seat { audience, at: members.len() - 1 }
    }

    /// Empties a seat. Whoever is returned sits there now.
    pub(super) fn leave(&mut self, seat: Seat) -> Option<ClientSlot> {
        let members = &mut self.slots[seat.audience as usize].members;
        members.swap_remove(seat.at);
        let moved = members.get(seat.at).copied();
        if members.is_empty() {
            self.close(seat.audience);
        }
        moved
    }

    pub(super) fn get(&self, audience: AudienceSlot) -> Option<&Audience> {
        self.slots.get(audience as usize)
    }

    /// The filter of who sits there.
    pub(super) fn filter(&self, seat: Option<Seat>) -> Option<&Filter> {
        self.get(seat?.audience).map(|audience| &audience.filter)
    }

    /// Numbers of audiences are below this.
    pub(super) fn most(&self) -> usize {
        self.slots.capacity()
    }

    fn open(&mut self, wish: (Encoding, Filter)) -> AudienceSlot {
        let (encoding, filter) = wish.clone();
        let slot = self.slots.insert(Audience { filter, encoding, members: Vec::new() });
        let slot = AudienceSlot::try_from(slot).expect("memory has no room for so many");
        let filter = &wish.1;
        for id in named(filter) {
            self.nodes.entry(id.clone()).or_default().insert(slot);
        }
        match (filter.cells, &filter.node_ids, &filter.bounds) {
            (Some(zoom), ..) => self.cells.entry(zoom).or_default().insert(slot, filter),
            (None, Some(_), _) => {}
            (None, None, Some(area)) => self.viewports.insert(slot, area),
            (None, None, None) => drop(self.everywhere.insert(slot)),
        }
        self.by_wish.insert(wish, slot);
        slot
    }

    fn close(&mut self, slot: AudienceSlot) {
        let Audience { filter, encoding, .. } = self.slots.remove(slot as usize);
        for id in named(&filter) {
            if let Some(audiences) = self.nodes.get_mut(id) {
                audiences.remove(&slot);
                if audiences.is_empty() {
                    self.nodes.remove(id);
                }
            }
        }
        match (filter.cells, &filter.node_ids, &filter.bounds) {
            (Some(zoom), ..) => {
                if let Some(counters) = self.cells.get_mut(&zoom) {
                    counters.remove(slot);
                    if counters.is_empty() {
                        self.cells.remove(&zoom);
                    }
                }
            }
            (None, Some(_), _) => {}
            (None, None, Some(_)) => self.viewports.remove(slot),
            (None, None, None) => drop(self.everywhere.remove(&slot)),
        }
        self.by_wish.remove(&(encoding, filter));
    }

    /// Calls `visit` for every audience and each change that it sees, as [`Change::seen_through`] its
    /// filter says, once.
    pub(super) fn for_each_sight(
        &mut self,
        batch: &Batch,
        mut visit: impl FnMut(AudienceSlot, Sight),
    ) {
        let Self { slots, viewports, nodes, everywhere, motions, .. } = self;
        let changes = || (0_u32..).zip(&batch.changes);
        for &slot in &*everywhere {
            let Some(audience) = slots.get(slot as usize) else { continue };
            for (index, change) in changes() {
                let (before, after) = (change.before.is_some(), change.after.is_some());
                if let Some(kind) = change.seen_in(before, after, audience.filter.types) {
                    visit(slot, Sight { change: index, kind });
                }
            }
        }
        for (index, change) in changes().filter(|_| !nodes.is_empty()) {
            let listening = change.id().and_then(|id| nodes.get(id));
            for &slot in listening.into_iter().flatten() {
                let audience = slots.get(slot as usize);
                let kind = audience.and_then(|audience| change.seen_through(&audience.filter));
                if let Some(kind) = kind {
                    visit(slot, Sight { change: index, kind });
                }
            }
        }
        if viewports.is_empty() {
            return;
        }
        motions.clear();
        motions.extend(batch.changes.iter().map(Change::motion));
        viewports.join(motions, |pair| {
            let Some(audience) = slots.get(pair.watcher as usize) else { return };
            let change = &batch.changes[pair.change as usize];
            let filter = &audience.filter;
            // What it picks besides was found by its name.
            let picked =
                !filter.also_ids.is_empty() && change.id().is_some_and(|id| filter.picks(id));
            let (before, after) = (pair.states.before(), pair.states.after());
            if !picked && let Some(kind) = change.seen_in(before, after, filter.types) {
                visit(pair.watcher, Sight { change: pair.change, kind });
            }
        });
    }

    /// Calls `visit` for everybody who hears what was said, some of them twice.
    pub(super) fn for_each_hearer(&self, spoken: &Spoken, mut visit: impl FnMut(AudienceSlot)) {
        let mut visit = |slot: AudienceSlot| {
            let audience = self.slots.get(slot as usize);
            if audience.is_some_and(|audience| spoken.heard_through(&audience.filter)) {
                visit(slot);
            }
        };
        self.everywhere.iter().copied().for_each(&mut visit);
        self.nodes.get(&spoken.message.from).into_iter().flatten().copied().for_each(&mut visit);
        self.cells.values().flat_map(Counters::iter).for_each(&mut visit);
        if let Some(position) = spoken.sender.as_ref().and_then(|sender| sender.position) {
            self.viewports.at(position.place, visit);
        }
    }

    /// Everybody who asks for counts, by zoom.
    pub(super) fn counting(&self) -> impl Iterator<Item = (Zoom, &Counters)> {
        self.cells.iter().map(|(zoom, counters)| (*zoom, counters))
    }

    /// Whether somebody asks for counts at this zoom.
    pub(super) fn counts_at(&self, zoom: Zoom) -> bool {
        self.cells.contains_key(&zoom)
    }

    /// Gives back the memory that past ticks needed.
    pub(super) fn shrink(&mut self) {
        self.viewports.shrink();
        self.motions = Vec::new();
    }
}

/// The nodes that a filter has to be told of by name. One that counts what it names is told of it by
/// tile, and one that sees everything has nothing to pick.
fn named(filter: &Filter) -> impl Iterator<Item = &NodeId> {
    let own = filter.node_ids.iter().filter(|_| filter.cells.is_none());
    let sees_all = filter.cells.is_none() && filter.node_ids.is_none() && filter.bounds.is_none();
    let besides = filter.also_ids.iter().filter(move |_| !sees_all);
    own.flat_map(|ids| ids.iter()).chain(besides)
}

//! What is noted while a tick is matched: who sees what.

use rustc_hash::FxHashMap;

use super::audiences::AudienceSlot;
use crate::domain::{CellCount, Sight, SightKind};

/// Sights by audience. Kept from tick to tick, so that nothing is allocated anew.
#[derive(Default)]
pub(super) struct Notes {
    /// As they were found.
    found: Vec<(AudienceSlot, Sight)>,
    /// How many, by audience; 0 between ticks.
    counts: Vec<u32>,
    /// Those who see or hear anything, in the order of being found.
    touched: Vec<AudienceSlot>,
    /// Sorted by audience, in the order of `touched`.
    sights: Vec<Sight>,
    besides: FxHashMap<AudienceSlot, Besides>,
}

/// What an audience is told besides changes of nodes, which is rare.
#[derive(Default)]
struct Besides {
    messages: Vec<u32>,
    cells: Vec<CellCount>,
}

/// What one audience sees of a tick.
pub(super) struct Seen<'a> {
    pub(super) audience: AudienceSlot,
    pub(super) sights: &'a [Sight],
    /// Indices in the batch.
    pub(super) messages: &'a [u32],
    pub(super) cells: &'a [CellCount],
}

impl Notes {
    /// Starts a tick: numbers of audiences are below `most`.
    pub(super) fn begin(&mut self, most: usize) {
        self.found.clear();
        self.touched.clear();
        self.sights.clear();
        self.besides.clear();
        self.counts.resize(most, 0);
    }

    pub(super) fn see(&mut self, audience: AudienceSlot, sight: Sight) {
        let count = &mut self.counts[audience as usize];
        if *count == 0 {
            self.touched.push(audience);
        }
        *count += 1;
        self.found.push((audience, sight));
    }

    /// The audience hears message number `index`, which may be said twice.
    pub(super) fn hear(&mut self, audience: AudienceSlot, index: u32) {
        let messages = &mut self.besides(audience).messages;
        if messages.last() != Some(&index) {
            messages.push(index);
        }
    }

    pub(super) fn count(&mut self, audience: AudienceSlot, cells: Vec<CellCount>) {
        self.besides(audience).cells = cells;
    }

    fn besides(&mut self, audience: AudienceSlot) -> &mut Besides {
        self.besides.entry(audience).or_insert_with(|| {
            if self.counts[audience as usize] == 0 {
                self.touched.push(audience);
            }
            Besides::default()
        })
    }

    /// Sorts what was noted by audience.
    pub(super) fn sort(&mut self) {
        // Each count becomes the place of the audience's next sight.
        let mut next = 0;
        for audience in &self.touched {
            let count = &mut self.counts[*audience as usize];
            next += std::mem::replace(count, next);
        }
        self.sights.resize(self.found.len(), Sight { change: 0, kind: SightKind::Update });
        for (audience, sight) in &self.found {
            let next = &mut self.counts[*audience as usize];
            self.sights[*next as usize] = *sight;
            *next += 1;
        }
    }

    /// What each audience sees, once sorted.
    pub(super) fn seen(&self) -> impl Iterator<Item = Seen<'_>> {
        let mut start = 0;
        self.touched.iter().map(move |&audience| {
            let end = self.counts[audience as usize] as usize;
            let sights = &self.sights[start..end];
            start = end;
            let besides = self.besides.get(&audience);
            Seen {
                audience,
                sights,
                messages: besides.map_or(&[], |besides| &besides.messages),
                cells: besides.map_or(&[], |besides| &besides.cells),
            }
        })
    }

    /// Ends a tick.
    pub(super) fn end(&mut self) {
        for audience in &self.touched {
            self.counts[*audience as usize] = 0;
        }
    }
}

//! One page: some nodes, and what was last written of them.

use std::{
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use bytes::Bytes;

use super::{Encoder, Encoding, Rank, extent::Extent, rank_of};
use crate::domain::{Area, Node, Place, Span};

const ENCODINGS: [Encoding; 2] = [Encoding::Json, Encoding::Proto];

/// Some nodes, in no order.
#[derive(Debug)]
pub(super) struct Page {
    // What is looked for stands side by side.
    numbers: Vec<u32>,
    places: Vec<Option<Place>>,
    nodes: Vec<Arc<Node>>,
    /// Around all places.
    around: Span,
    /// How many nodes have no place.
    placeless: usize,
    /// Where the next page begins; none if this is the last one.
    until: Option<Rank>,
    /// By encoding.
    sheets: [Mutex<Sheet>; 2],
    /// All nodes as a frame says them in columns; none while that is not written.
    columns: OnceLock<Bytes>,
}

/// The records of a page in one encoding, side by side.
#[derive(Clone, Debug, Default)]
struct Sheet {
    bytes: Bytes,
    /// Where the record of each node stands; empty if it is not written.
    records: Vec<Range<u32>>,
    /// Whether `bytes` are all that a frame says of just these nodes.
    is_whole: bool,
    /// Whether somebody was sent any of it since this was last looked at.
    is_used: bool,
}

/// What of a page is shown.
#[derive(Debug)]
pub(super) enum Shown {
    /// All of its nodes.
    All,
    /// Those of these indices.
    Part(Vec<usize>),
}

impl Page {
    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    pub(super) fn extent(&self) -> Extent {
        let (around, is_empty) = (self.around, self.nodes.is_empty());
        Extent { around, has_placeless: self.placeless > 0, is_empty }
    }

    pub(super) fn until(&self) -> Option<Rank> {
        self.until
    }

    pub(super) fn nodes(&self) -> &[Arc<Node>] {
        &self.nodes
    }

    pub(super) fn push(&mut self, node: Arc<Node>) {
        self.put(node, [0..0, 0..0]);
    }

    pub(super) fn remove(&mut self, number: u32) {
        if let Some(index) = self.find(number) {
            let place = self.places[index];
            self.take(index);
            self.give_up(place);
        }
    }

    /// Puts a node in the place of the one that it was.
    pub(super) fn replace(&mut self, node: &Arc<Node>) {
        let Some(index) = self.find(node.number) else { return };
        self.columns.take();
        let (before, place) = (self.places[index], node.place());
        self.places[index] = place;
        self.nodes[index] = Arc::clone(node);
        for sheet in self.sheets_mut() {
            sheet.records[index] = 0..0;
            sheet.is_whole = false;
        }
        if before == place {
            return;
        }
        self.placeless += usize::from(place.is_none());
        self.placeless -= usize::from(before.is_none());
        self.around.take_in(place);
        self.give_up(before);
    }

    /// Takes out the half that ranks higher, and says where it begins.
    pub(super) fn split(&mut self) -> (Rank, Self) {
        let mut ranks: Vec<_> = (0..self.len()).map(|index| self.rank(index)).collect();
        let half = ranks.len() / 2;
        let (_, middle, _) = ranks.select_nth_unstable(half);
        let middle = *middle;
        let mut upper = Self::default();
        for (sheet, of_upper) in self.sheets_mut().zip(upper.sheets_mut()) {
            of_upper.bytes = sheet.bytes.clone();
        }
        for index in (0..self.len()).rev() {
            if self.rank(index) >= middle {
                let (node, records) = self.take(index);
                upper.put(node, records);
            }
        }
        self.measure();
        upper.until = self.until.replace(middle);
        (middle, upper)
    }

    /// Takes in all nodes of the next page.
    pub(super) fn absorb(&mut self, other: &Self) {
        self.until = other.until;
        for node in &other.nodes {
            self.push(Arc::clone(node));
        }
    }

    /// Which nodes are in these bounds.
    pub(super) fn shown(&self, bounds: Option<&Area>) -> Shown {
        let Some(bounds) = bounds else { return Shown::All };
        if self.extent().is_within(bounds.spans()) {
            return Shown::All;
        }
        let places = self.places.iter().enumerate();
        let inside = places.filter(|(_, place)| place.is_some_and(|place| bounds.contains(place)));
        let inside: Vec<_> = inside.map(|(index, _)| index).collect();
        if inside.len() == self.len() { Shown::All } else { Shown::Part(inside) }
    }

    /// All that a frame says of all nodes, in columns. Whoever comes first writes them.
    pub(super) fn in_columns<E: Encoder>(&self) -> Bytes {
        self.columns.get_or_init(|| E::columns(self.nodes.iter().map(|node| &**node))).clone()
    }

    /// All that a frame says of all nodes.
    pub(super) fn whole<E: Encoder>(&self, encoding: Encoding) -> Bytes {
        self.sheet::<E>(encoding).bytes.clone()
    }

    /// Adds the records of what is shown to those in `gathered`.
    pub(super) fn gather<E: Encoder>(
        &self,
        encoding: Encoding,
        shown: Shown,
        gathered: &mut Vec<u8>,
    ) {
        let sheet = self.sheet::<E>(encoding);
        for index in shown.of(self) {
            if !gathered.is_empty() {
                gathered.extend_from_slice(E::binding(encoding).between);
            }
            gathered.extend_from_slice(sheet.record(index));
        }
    }

    /// Gives back the memory of records, if nobody was sent any since this was last called.
    pub(super) fn drop_unused(&self) {
        for encoding in ENCODINGS {
            let mut sheet = self.lock(encoding);
            if !std::mem::take(&mut sheet.is_used) && !sheet.bytes.is_empty() {
                sheet.bytes = Bytes::new();
                sheet.records.fill(0..0);
                sheet.is_whole = false;
            }
        }
    }

    /// All records. Whoever comes first writes them.
    fn sheet<E: Encoder>(&self, encoding: Encoding) -> MutexGuard<'_, Sheet> {
        let mut sheet = self.lock(encoding);
        if !sheet.is_whole {
            sheet.write::<E>(encoding, &self.nodes);
        }
        sheet.is_used = true;
        sheet
    }

    fn lock(&self, encoding: Encoding) -> MutexGuard<'_, Sheet> {
        // What is there was put there whole.
        self.sheets[encoding as usize].lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sheets_mut(&mut self) -> impl Iterator<Item = &mut Sheet> {
        let sheets = self.sheets.iter_mut();
        sheets.map(|sheet| sheet.get_mut().unwrap_or_else(PoisonError::into_inner))
    }

    fn rank(&self, index: usize) -> Rank {
        rank_of(self.places[index], self.numbers[index])
    }

    fn find(&self, number: u32) -> Option<usize> {
        self.numbers.iter().position(|held| *held == number)
    }

    fn put(&mut self, node: Arc<Node>, records: [Range<u32>; 2]) {
        self.columns.take();
        for (sheet, record) in self.sheets_mut().zip(records) {
            sheet.records.push(record);
            sheet.is_whole = false;
        }
        let place = node.place();
        self.around.take_in(place);
        self.placeless += usize::from(place.is_none());
        self.numbers.push(node.number);
        self.places.push(place);
        self.nodes.push(node);
    }

    fn take(&mut self, index: usize) -> (Arc<Node>, [Range<u32>; 2]) {
        self.columns.take();
        let mut records = [0..0, 0..0];
        for (sheet, record) in self.sheets_mut().zip(&mut records) {
            *record = sheet.records.swap_remove(index);
            sheet.is_whole = false;
        }
        self.numbers.swap_remove(index);
        self.placeless -= usize::from(self.places.swap_remove(index).is_none());
        (self.nodes.swap_remove(index), records)
    }

    /// No node is here any more. Most places are inside, and nothing is smaller without them.
    fn give_up(&mut self, place: Option<Place>) {
        if place.is_some_and(|place| self.around.ends_at(place)) {
            self.measure();
        }
    }

    fn measure(&mut self) {
        self.around = Span::NOWHERE;
        self.places.iter().for_each(|place| self.around.take_in(*place));
    }
}

impl Shown {
    pub(super) fn len(&self, page: &Page) -> usize {
        match self {
            Self::All => page.len(),
            Self::Part(indices) => indices.len(),
        }
    }

    /// The indices on its page.
    pub(super) fn of(self, page: &Page) -> impl Iterator<Item = usize> + use<> {
        let (all, part) = match self {
            Self::All => (0..page.len(), Vec::new()),
            Self::Part(indices) => (0..0, indices),
        };
        all.chain(part)
    }
}

impl Default for Page {
    fn default() -> Self {
        Self {
            numbers: Vec::new(),
            places: Vec::new(),
            nodes: Vec::new(),
            around: Span::NOWHERE,
            placeless: 0,
            until: None,
            sheets: Default::default(),
            columns: OnceLock::new(),
        }
    }
}

impl Clone for Page {
    fn clone(&self) -> Self {
        let sheet = |encoding| Mutex::new(self.lock(encoding).clone());
        Self {
            numbers: self.numbers.clone(),
            places: self.places.clone(),
            nodes: self.nodes.clone(),
            around: self.around,
            placeless: self.placeless,
            until: self.until,
            sheets: ENCODINGS.map(sheet),
            columns: self.columns.clone(),
        }
    }
}

impl Sheet {
    fn record(&self, index: usize) -> &[u8] {
        let Range { start, end } = self.records[index];
        &self.bytes[start as usize..end as usize]
    }

    /// Writes all records anew: those that are there are copied.
    fn write<E: Encoder>(&mut self, encoding: Encoding, nodes: &[Arc<Node>]) {
        let binding = E::binding(encoding);
        let mut bytes = Vec::with_capacity(self.bytes.len());
        let mut records = Vec::with_capacity(nodes.len());
        bytes.extend_from_slice(binding.before);
        for (index, node) in nodes.iter().enumerate() {
            if index > 0 {
                bytes.extend_from_slice(binding.between);
            }
            let start = bytes.len();
            match self.record(index) {
                [] => E::write_record(encoding, node, &mut bytes),
                written => bytes.extend_from_slice(written),
            }
            records.push(offset(start)..offset(bytes.len()));
        }
        bytes.extend_from_slice(binding.after);
        // They are kept for long.
        bytes.shrink_to_fit();
        *self = Self { bytes: bytes.into(), records, is_whole: true, is_used: self.is_used };
    }
}

/// Nothing is as long as to not fit: a page has few nodes, and a node few fields.
fn offset(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

//! The logbook: what was lately heard of each node, and why it was not shown. Bounded.

use std::{
    borrow::Cow,
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rustc_hash::FxHashMap;

use super::{NodeId, Timestamp};

/// Nodes that are remembered. When there are more, the tenth that was silent longest goes: all at
/// once, so that to hear a packet costs no more than to find its page.
const MOST_NODES: usize = 5000;
/// Packets and remarks that are remembered of one node; the oldest go.
const MOST_HEARD: usize = 20;
const MOST_REMARKS: usize = 20;
/// Remarks that are not on disk yet; the oldest are only remembered here.
const MOST_FRESH: usize = 2000;

/// A packet that was heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// When it came.
    pub time: Timestamp,
    /// The topic.
    pub topic: Box<str>,
    /// Who handed it over.
    pub gateway: NodeId,
    /// The number of its kind.
    pub port: u16,
}

/// Why something that a node said is not shown. Says nothing of what it said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// When it came.
    pub time: Timestamp,
    /// The reason, as metrics name it.
    pub reason: Cow<'static, str>,
    /// The hash of the channel, where the key is missing.
    pub channel_hash: Option<u32>,
    /// The topic; none where it would say where somebody is who is not to be shown.
    pub topic: Option<Box<str>>,
    /// Who handed it over; none for the same reason, or if it is not known.
    pub gateway: Option<NodeId>,
    /// The number of its kind, if it could be read.
    pub port: Option<u16>,
}

/// What is remembered of one node, the newest last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// What was heard and kept.
    pub heard: VecDeque<Heard>,
    /// What was not.
    pub remarks: VecDeque<Remark>,
    /// When it was last written in, counted in notes.
    turn: u64,
}

/// What is remembered of every node.
#[derive(Debug, Default)]
pub struct Logbook {
    pages: FxHashMap<NodeId, Page>,
    last_turn: u64,
    fresh: VecDeque<(NodeId, Remark)>,
}

impl Logbook {
    /// Notes that a packet of this node was heard.
    pub fn hear(&mut self, node: &NodeId, heard: Heard) {
        push(&mut self.page_of(node).heard, heard, MOST_HEARD);
    }

    /// Notes why something of this node is not shown.
    pub fn remark(&mut self, node: &NodeId, remark: Remark) {
        push(&mut self.fresh, (node.clone(), remark.clone()), MOST_FRESH);
        push(&mut self.page_of(node).remarks, remark, MOST_REMARKS);
    }

    /// Takes in what was noted before, the oldest first.
    pub fn restore(&mut self, remarks: impl IntoIterator<Item = (NodeId, Remark)>) {
        for (node, remark) in remarks {
            push(&mut self.page_of(&node).remarks, remark, MOST_REMARKS);
        }
    }

    /// What is remembered of a node.
    pub fn page(&self, node: &NodeId) -> Option<&Page> {
        self.pages.get(node)
    }

    /// The remarks since the last time.
    pub fn take_fresh(&mut self) -> Vec<(NodeId, Remark)> {
        self.fresh.drain(..).collect()
    }

    /// Remembers nothing of a node any more, nor that others were heard by it.
    pub fn forget(&mut self, node: &NodeId) {
        self.pages.remove(node);
        let is_by = |remark: &Remark| remark.gateway.as_ref() == Some(node);
        for page in self.pages.values_mut() {
            page.heard.retain(|heard| heard.gateway != *node);
            page.remarks.retain(|remark| !is_by(remark));
        }
        self.fresh.retain(|(of, remark)| of != node && !is_by(remark));
    }

    /// The page of a node, whose turn it is now.
    fn page_of(&mut self, node: &NodeId) -> &mut Page {
        if self.pages.len() >= MOST_NODES && !self.pages.contains_key(node) {
            self.let_go();
        }
        self.last_turn += 1;
        let page = self.pages.entry(node.clone()).or_default();
        page.turn = self.last_turn;
        page
    }

    /// Forgets the tenth of the nodes that was silent longest.
    fn let_go(&mut self) {
        let mut turns: Vec<u64> = self.pages.values().map(|page| page.turn).collect();
        let (_, oldest_kept, _) = turns.select_nth_unstable(MOST_NODES / 10);
        let oldest_kept = *oldest_kept;
        self.pages.retain(|_, page| page.turn >= oldest_kept);
    }
}

/// A logbook that several rooms write and read: each for no longer than one note takes.
#[derive(Clone, Debug, Default)]
pub struct SharedLogbook(Arc<Mutex<Logbook>>);

impl SharedLogbook {
    /// See [`Logbook::hear`].
    pub fn hear(&self, node: &NodeId, heard: Heard) {
        self.open().hear(node, heard);
    }

    /// See [`Logbook::remark`].
    pub fn remark(&self, node: &NodeId, remark: Remark) {
        self.open().remark(node, remark);
    }

    /// See [`Logbook::restore`].
    pub fn restore(&self, remarks: impl IntoIterator<Item = (NodeId, Remark)>) {
        self.open().restore(remarks);
    }

    /// See [`Logbook::page`].
    pub fn page(&self, node: &NodeId) -> Option<Page> {
        self.open().page(node).cloned()
    }

    /// See [`Logbook::take_fresh`].
    pub fn take_fresh(&self) -> Vec<(NodeId, Remark)> {
        self.open().take_fresh()
    }

    /// See [`Logbook::forget`].
    pub fn forget(&self, node: &NodeId) {
        self.open().forget(node);
    }

    /// What is under the lock is whole whenever it is let go.
    fn open(&self) -> MutexGuard<'_, Logbook> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn push<T>(ring: &mut VecDeque<T>, item: T, most: usize) {
    if ring.len() >= most {
        ring.pop_front();
    }
    ring.push_back(item);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn remark(time: i64) -> Remark {
        Remark {
            time: Timestamp::from_millis(time),
            reason: "no_key".into(),
            channel_hash: Some(8),
            topic: None,
            gateway: None,
            port: None,
        }
    }

    fn heard(time: i64) -> Heard {
        let time = Timestamp::from_millis(time);
        Heard { time, topic: "msh".into(), gateway: NodeId::Radio(9), port: 3 }
    }

    proptest! {
        #[test]
        fn a_node_is_remembered_by_what_was_last_noted_of_it(
            steps in proptest::collection::vec((0_u32..30, any::<bool>()), 0..400),
        ) {
            let mut logbook = Logbook::default();
            let mut expected: FxHashMap<u32, (Vec<Heard>, Vec<Remark>)> = FxHashMap::default();
            for (time, (node, is_heard)) in (0..).zip(steps) {
                let (id, known) = (NodeId::Radio(node), expected.entry(node).or_default());
                if is_heard {
                    logbook.hear(&id, heard(time));
                    known.0.push(heard(time));
                } else {
                    logbook.remark(&id, remark(time));
                    known.1.push(remark(time));
                }
            }
            for (node, (heard, remarks)) in expected {
                let page = logbook.page(&NodeId::Radio(node)).unwrap();
                let last = |count: usize, most: usize| count.saturating_sub(most);
                prop_assert!(page.heard.iter().eq(&heard[last(heard.len(), MOST_HEARD)..]));
                prop_assert!(page.remarks.iter().eq(&remarks[last(remarks.len(), MOST_REMARKS)..]));
            }
        }
    }

    #[test]
    fn memory_is_bounded_and_who_was_silent_longest_goes() {
        let mut logbook = Logbook::default();
        let most = u32::try_from(MOST_NODES).unwrap();
        for node in 0..most {
            logbook.remark(&NodeId::Radio(node), remark(0));
        }
        logbook.hear(&NodeId::Radio(0), heard(1));
        assert_eq!(logbook.pages.len(), MOST_NODES);
        logbook.remark(&NodeId::Radio(most), remark(2));
        let gone = most / 10;
        assert!(logbook.page(&NodeId::Radio(0)).is_some());
        assert!((1..=gone).all(|node| logbook.page(&NodeId::Radio(node)).is_none()));
        assert!((gone + 1..=most).all(|node| logbook.page(&NodeId::Radio(node)).is_some()));
        assert_eq!(logbook.take_fresh().len(), MOST_FRESH);
        assert_eq!(logbook.take_fresh(), []);
    }

    #[test]
    fn of_a_node_that_is_forgotten_nothing_is_left() {
        let mut logbook = Logbook::default();
        logbook.remark(&NodeId::Radio(1), remark(0));
        logbook.hear(&NodeId::Radio(2), heard(3));
        logbook.forget(&NodeId::Radio(9));
        assert!(logbook.page(&NodeId::Radio(2)).unwrap().heard.is_empty(), "it came by 9");
        logbook.forget(&NodeId::Radio(1));
        assert!(logbook.page(&NodeId::Radio(1)).is_none());
        assert_eq!(logbook.take_fresh(), []);
    }
}

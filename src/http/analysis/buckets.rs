//! Records of a history, newest first, gathered in buckets of time.

use std::{collections::BTreeMap, hash::Hash};

use rustc_hash::FxHashMap;
use schemars::JsonSchema;
use serde::Serialize;

use super::params::{before, begins, cursor};
use crate::{
    domain::Timestamp,
    http::{error::ApiError, streamed::Read},
    storage::{HistoryQuery, Spread, Store},
};

/// Records read for one answer, after which the bucket at hand is the last.
const MOST_RECORDS: usize = 200_000;

/// Records read at a time.
const AT_ONCE: u32 = 5_000;

/// What one bucket holds of one key.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Gathered {
    /// Records, with or without a value.
    pub(super) records: u64,
    pub(super) values: Option<Spread>,
}

/// Buckets by when they begin, and in each what was gathered by key.
pub(super) struct Buckets<K> {
    pub(super) by_time: BTreeMap<Timestamp, FxHashMap<K, Gathered>>,
    /// Where the next answer goes on: a time before which nothing was looked at.
    pub(super) next: Option<String>,
}

/// Which buckets.
pub(super) struct Wanted {
    /// What of the history; its limit and cursor are not used.
    pub(super) history: HistoryQuery,
    /// How wide.
    pub(super) bucket_ms: i64,
    /// How many.
    pub(super) limit: usize,
}

/// The `next` of an answer, as the time before which the next one looks.
fn resume(history: &mut HistoryQuery) -> Result<(), ApiError> {
    let Some(cursor) = history.cursor.take() else { return Ok(()) };
    let before = before(&cursor)?;
    history.to = Some(history.to.map_or(before, |to| to.min(before)));
    Ok(())
}

/// Gathers what `read` reads, a page at a time. `split` tells the time of a record, and what it says
/// of which keys. Every bucket is whole, unless `from` or `to` cut it.
pub(super) async fn gather<T, K: Eq + Hash>(
    store: &dyn Store,
    read: Read<T>,
    mut wanted: Wanted,
    split: impl Fn(T) -> (Timestamp, Vec<(K, Option<f64>)>),
) -> Result<Buckets<K>, ApiError> {
    resume(&mut wanted.history)?;
    wanted.history.limit = AT_ONCE;
    let mut by_time: BTreeMap<_, FxHashMap<K, Gathered>> = BTreeMap::new();
    let mut records = 0;
    loop {
        let page = read(store, &wanted.history).await?;
        for record in page.records {
            let (time, said) = split(record);
            let begin = begins(time, wanted.bucket_ms);
            let is_full = by_time.len() >= wanted.limit || records >= MOST_RECORDS;
            if is_full && !by_time.contains_key(&begin) {
                let oldest = by_time.keys().next().copied().unwrap_or(begin);
                return Ok(Buckets { by_time, next: Some(cursor(oldest)) });
            }
            records += 1;
            let bucket = by_time.entry(begin).or_default();
            for (key, value) in said {
                let gathered = bucket.entry(key).or_default();
                gathered.records += 1;
                let values = value.map(Spread::of);
                gathered.values = match (gathered.values, values) {
                    (Some(held), Some(new)) => Some(held.and(new)),
                    (held, new) => held.or(new),
                };
            }
        }
        wanted.history.cursor = page.next;
        if wanted.history.cursor.is_none() {
            return Ok(Buckets { by_time, next: None });
        }
    }
}

/// Values taken together.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
pub(super) struct SpreadRecord {
    pub(super) count: u64,
    pub(super) min: f64,
    pub(super) mean: f64,
    pub(super) max: f64,
}

impl From<Spread> for SpreadRecord {
    fn from(Spread { count, min, mean, max }: Spread) -> Self {
        Self { count, min, mean, max }
    }
}

//! Histories: what nodes measured, what was said, who heard whom. Newest first, a page at a time,
//! answered from the database as the client takes it.

use axum::{
    extract::{Query, State, rejection::QueryRejection},
    response::Response,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    AppState,
    count::Count,
    error::ApiError,
    listed::{Listed, PageOf},
    nodes::parse_id,
    patterns::CURSOR,
    records::Id,
    streamed::{self, Read, Rows},
};
use crate::{
    domain::{NodeId, Timestamp},
    storage::{HistoryQuery, LinkRow},
};

pub(super) const DEFAULT_LIMIT: u32 = 100;
pub(super) const MAX_LIMIT: u32 = 10_000;

/// `from` is included, `to` is not; both in milliseconds since 1970.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct PageQuery {
    /// Only of this node.
    #[schemars(with = "Option<Id<'_>>")]
    pub(super) node: Option<String>,
    /// This time or later, in milliseconds since 1970.
    pub(super) from: Option<i64>,
    /// Before this time, in milliseconds since 1970.
    pub(super) to: Option<i64>,
    /// At most so many: 100 if not given; what lies outside 1 to 10000 counts as the nearer end.
    pub(super) limit: Option<Count>,
    /// Goes on where the page before ended: its `next`.
    #[schemars(regex(pattern = CURSOR))]
    pub(super) cursor: Option<String>,
}

type PageParams = Result<Query<PageQuery>, QueryRejection>;

impl PageQuery {
    /// The part of the history asked for: of `node`, or else of the one that the query names.
    pub(super) fn of(self, node: Option<NodeId>) -> Result<HistoryQuery, ApiError> {
        let named = self.node.as_deref().map(parse_id).transpose()?;
        Ok(HistoryQuery {
            node: node.or(named),
            from: self.from.map(Timestamp::from_millis),
            to: self.to.map(Timestamp::from_millis),
            limit: Count::within(self.limit, DEFAULT_LIMIT, MAX_LIMIT),
            cursor: self.cursor,
        })
    }
}

/// `GET /api/messages?node=&from=&to=&limit=&cursor=`
pub(super) async fn messages(
    State(state): State<AppState>,
    query: PageParams,
) -> Result<Response, ApiError> {
    list(&state, query?.0.of(None)?, |store, query| store.messages(query)).await
}

/// A page of a history, row by row.
pub(super) async fn list<T: Listed>(
    state: &AppState,
    query: HistoryQuery,
    read: Read<T>,
) -> Result<Response, ApiError> {
    Ok(streamed::answer(Rows::of(&state.store, query, read), PageOf::new()).await?)
}

/// One node heard by another.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ObservationRecord<'a> {
    from: Id<'a>,
    to: Id<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    snr: Option<f32>,
    time: i64,
    source: &'static str,
}

impl<'a> From<&'a LinkRow> for ObservationRecord<'a> {
    fn from(row: &'a LinkRow) -> Self {
        Self {
            from: Id(&row.link.from),
            to: Id(&row.link.to),
            snr: row.link.snr_db,
            time: row.time.as_millis(),
            source: row.link.source.name(),
        }
    }
}

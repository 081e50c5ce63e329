//! Histories: what nodes measured, what was said, who heard whom. Newest first, a page at a time,
//! answered from the database.

use axum::{
    Json,
    extract::{Query, State, rejection::QueryRejection},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};

use super::{
    AppState,
    error::ApiError,
    nodes::parse_id,
    records::{Id, MessageRecord, TelemetryRecord},
};
use crate::{
    domain::{NodeId, Timestamp},
    storage::{HistoryQuery, LinkRow},
};

pub(super) const DEFAULT_LIMIT: u32 = 100;
pub(super) const MAX_LIMIT: u32 = 10_000;

/// `from` is included, `to` is not; both in milliseconds since 1970.
#[derive(Debug, Deserialize)]
pub(super) struct PageQuery {
    pub(super) node: Option<String>,
    pub(super) from: Option<i64>,
    pub(super) to: Option<i64>,
    pub(super) limit: Option<u32>,
    pub(super) cursor: Option<String>,
}

#[derive(Serialize)]
struct TelemetryPage<'a> {
    telemetry: Vec<TelemetryRecord<'a>>,
    next: Option<String>,
}

#[derive(Serialize)]
struct MessagesPage<'a> {
    messages: Vec<MessageRecord<'a>>,
    next: Option<String>,
}

#[derive(Serialize)]
struct LinksPage<'a> {
    links: Vec<ObservationRecord<'a>>,
    next: Option<String>,
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
            limit: self.limit.unwrap_or(DEFAULT_LIMIT).clamp(1, MAX_LIMIT),
            cursor: self.cursor,
        })
    }
}

/// What a node measured, packet by packet.
pub(super) async fn telemetry(
    state: &AppState,
    query: &HistoryQuery,
) -> Result<Response, ApiError> {
    let page = state.store.telemetry(query).await?;
    let rows = page.records.into_iter();
    let telemetry = rows.map(|row| TelemetryRecord::row(row.time, row.values)).collect();
    Ok(Json(TelemetryPage { telemetry, next: page.next }).into_response())
}

/// `GET /api/messages?node=&from=&to=&limit=&cursor=`
pub(super) async fn messages(
    State(state): State<AppState>,
    query: PageParams,
) -> Result<Response, ApiError> {
    let page = state.store.messages(&query?.0.of(None)?).await?;
    let messages = page.records.iter().map(MessageRecord::from).collect();
    Ok(Json(MessagesPage { messages, next: page.next }).into_response())
}

/// One node heard by another.
#[derive(Debug, Serialize)]
struct ObservationRecord<'a> {
    from: Id<'a>,
    to: Id<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    snr: Option<f32>,
    time: i64,
    source: &'static str,
}

/// Who heard whom, each time that it became known.
pub(super) async fn links(state: &AppState, query: &HistoryQuery) -> Result<Response, ApiError> {
    let page = state.store.links(query).await?;
    let links = page.records.iter().map(ObservationRecord::from).collect();
    Ok(Json(LinksPage { links, next: page.next }).into_response())
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

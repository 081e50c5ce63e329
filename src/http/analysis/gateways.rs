//! `/api/gateways`: whom each gateway hears, how well, and from how far.

use std::{collections::BTreeMap, time::Duration};

use axum::{
    Json,
    extract::{Query, State, rejection::QueryRejection},
    response::{IntoResponse, Response},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{buckets::SpreadRecord, params::window};
use crate::{
    domain::{Filter, NodeId, Place, distance_m},
    http::{AppState, count::Count, error::ApiError, nodes::parse_id, records::Id},
    storage::{HeardOf, Hearing, SignalKind, Spread},
};

/// How far back an answer looks unless told otherwise.
const USUAL: Duration = Duration::from_hours(24);

const DEFAULT_LIMIT: u32 = 100;
const MAX_LIMIT: u32 = 1000;

/// `from` is included, `to` is not; both in milliseconds since 1970.
#[derive(Debug, Deserialize, JsonSchema)]
pub(in crate::http) struct GatewaysQuery {
    /// This time or later, in milliseconds since 1970.
    from: Option<i64>,
    /// Before this time, in milliseconds since 1970.
    to: Option<i64>,
    /// At most so many; what lies outside what is allowed counts as the nearer end.
    limit: Option<Count>,
    /// Goes on after this gateway: the `next` of the page before.
    #[schemars(with = "Option<Id<'_>>")]
    cursor: Option<String>,
}

#[derive(Serialize, JsonSchema)]
pub(in crate::http) struct GatewaysPage<'a> {
    from: i64,
    to: i64,
    gateways: Vec<GatewayRecord<'a>>,
    next: Option<String>,
}

/// One gateway.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct GatewayRecord<'a> {
    id: Id<'a>,
    /// Packets that it handed in.
    receptions: u64,
    /// Of those, packets that came without a hop between.
    direct: u64,
    /// Nodes that it heard, directly or not.
    nodes: usize,
    first_heard: i64,
    last_heard: i64,
    /// Decibels.
    #[serde(skip_serializing_if = "Option::is_none")]
    snr: Option<SignalRecord>,
    /// dBm.
    #[serde(skip_serializing_if = "Option::is_none")]
    rssi: Option<SignalRecord>,
    /// To the nodes that it heard directly, by where both are now.
    #[serde(skip_serializing_if = "Option::is_none")]
    distance: Option<DistanceRecord>,
}

/// How a signal was distributed.
#[derive(Serialize, JsonSchema)]
struct SignalRecord {
    #[serde(flatten)]
    values: SpreadRecord,
    /// By rising signal; classes without a reception are left out.
    histogram: Vec<ClassRecord>,
}

/// A class of a histogram: `from` to `to`, which is in the next one.
#[derive(Serialize, JsonSchema)]
struct ClassRecord {
    from: f64,
    to: f64,
    count: u64,
}

/// Metres.
#[derive(Serialize, JsonSchema)]
struct DistanceRecord {
    nodes: usize,
    median: f64,
    max: f64,
}

/// `GET /api/gateways?from=&to=&limit=&cursor=`: by id.
pub(in crate::http) async fn gateways(
    State(state): State<AppState>,
    query: Result<Query<GatewaysQuery>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(query) = query?;
    let limit = Count::within(query.limit, DEFAULT_LIMIT, MAX_LIMIT) as usize;
    let after = query.cursor.as_deref().map(parse_id).transpose()?;
    let window = window(query.from, query.to, USUAL, state.clock.now())?;
    let Hearing { heard, signals } = state.store.hearing(window).await?;
    let mut by_gateway: BTreeMap<&NodeId, Vec<&HeardOf>> = BTreeMap::new();
    for heard in heard.iter().filter(|heard| after.as_ref().is_none_or(|id| heard.gateway > *id)) {
        by_gateway.entry(&heard.gateway).or_default().push(heard);
    }
    let next = by_gateway.keys().nth(limit).and(by_gateway.keys().nth(limit - 1));
    let next = next.map(ToString::to_string);
    let shown: Vec<_> = by_gateway.into_iter().take(limit).collect();

    let mut classes: BTreeMap<(&NodeId, SignalKind), BTreeMap<i32, u64>> = BTreeMap::new();
    for signal in &signals {
        let histogram = classes.entry((&signal.gateway, signal.kind)).or_default();
        *histogram.entry(signal.middle).or_default() += signal.receptions;
    }
    let ends = shown.iter().flat_map(|(gateway, heard)| {
        let direct = heard.iter().filter(|heard| heard.direct > 0);
        std::iter::once(*gateway).chain(direct.map(|heard| &heard.sender))
    });
    let nodes = state.live.nodes(Filter::default().with_node_ids(ends.cloned())).await?;
    let places = nodes.iter().filter_map(|node| Some((&node.id, node.position?.place))).collect();
    let gateways = shown.iter().map(|(id, heard)| {
        let signal = |kind, of: fn(&HeardOf) -> Option<Spread>| {
            let values = heard.iter().filter_map(|heard| of(heard)).reduce(Spread::and)?;
            let histogram = classes.get(&(*id, kind)).map(|classes| histogram(kind, classes));
            let histogram = histogram.unwrap_or_default();
            Some(SignalRecord { values: values.into(), histogram })
        };
        GatewayRecord {
            id: Id(id),
            receptions: heard.iter().map(|heard| heard.receptions).sum(),
            direct: heard.iter().map(|heard| heard.direct).sum(),
            nodes: heard.len(),
            first_heard: heard.iter().map(|heard| heard.first.as_millis()).min().unwrap_or(0),
            last_heard: heard.iter().map(|heard| heard.last.as_millis()).max().unwrap_or(0),
            snr: signal(SignalKind::Snr, |heard| heard.snr_db),
            rssi: signal(SignalKind::Rssi, |heard| heard.rssi_dbm),
            distance: distance(id, heard, &places),
        }
    });
    let (from, to) = (window.from.as_millis(), window.to.as_millis());
    Ok(Json(GatewaysPage { from, to, gateways: gateways.collect(), next }).into_response())
}

fn histogram(kind: SignalKind, classes: &BTreeMap<i32, u64>) -> Vec<ClassRecord> {
    let half = f64::from(kind.class_width()) / 2.0;
    let classes = classes.iter().map(|(middle, count)| {
        let middle = f64::from(*middle);
        ClassRecord { from: middle - half, to: middle + half, count: *count }
    });
    classes.collect()
}

fn distance(
    gateway: &NodeId,
    heard: &[&HeardOf],
    places: &BTreeMap<&NodeId, Place>,
) -> Option<DistanceRecord> {
    let here = *places.get(gateway)?;
    let direct = heard.iter().filter(|heard| heard.direct > 0 && heard.sender != *gateway);
    let there = direct.filter_map(|heard| places.get(&heard.sender));
    let mut distances: Vec<_> = there.map(|place| distance_m(here, *place).round()).collect();
    distances.sort_unstable_by(f64::total_cmp);
    let median = *distances.get(distances.len() / 2)?;
    let max = *distances.last()?;
    Some(DistanceRecord { nodes: distances.len(), median, max })
}

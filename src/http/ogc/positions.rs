//! Where nodes have been, as features. One is named by its node and its time.

use schemars::JsonSchema;
use serde::Serialize;

use super::{
    super::{error::ApiError, geojson::Geometry, rfc3339},
    items::{Feature, Found},
    params::Wanted,
};
use crate::{
    domain::{Bounds, NodeId, Position, Timestamp},
    storage::{HistoryQuery, PlaceQuery, Store},
};

/// How often the database is asked for one page. It looks at a bounded number of positions each
/// time, and clients take a page without features for the last.
const MAX_LOOKS: usize = 20;

/// What is known of where a node was.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "PositionProperties")]
pub(in crate::http) struct Properties {
    node: String,
    time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    altitude: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ground_speed: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ground_track: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sats_in_view: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    precision_bits: Option<u8>,
}

/// Those wanted, the newest first.
pub(super) async fn find(
    store: &dyn Store,
    wanted: &Wanted,
) -> Result<Found<Properties>, ApiError> {
    let mut question = PlaceQuery {
        bounds: wanted.place.as_ref().map_or(Bounds::EVERYWHERE, |place| place.bounds),
        from: wanted.from,
        to: wanted.to.map(just_after),
        limit: wanted.limit(),
        cursor: wanted.cursor.clone(),
    };
    let mut features = Vec::new();
    for _ in 0..MAX_LOOKS {
        let page = store.visits(&question).await?;
        let is_high = |position: &Position| {
            wanted.place.as_ref().is_none_or(|place| place.contains(position))
        };
        let visits = page.records.iter().filter(|visit| is_high(&visit.position));
        features.extend(visits.map(|visit| feature(&visit.node, &visit.position)));
        question.cursor = page.next;
        if !features.is_empty() || question.cursor.is_none() {
            break;
        }
    }
    Ok(Found { features, matched: None, next: question.cursor })
}

/// The feature of this name.
pub(super) async fn one(
    store: &dyn Store,
    name: &str,
) -> Result<Option<Feature<Properties>>, ApiError> {
    let Some((node, time)) = parse(name) else { return Ok(None) };
    let query = HistoryQuery {
        node: Some(node.clone()),
        from: Some(time),
        to: Some(just_after(time)),
        limit: 1,
        cursor: None,
    };
    let page = store.positions(&query).await?;
    Ok(page.records.first().map(|position| feature(&node, position)))
}

fn parse(name: &str) -> Option<(NodeId, Timestamp)> {
    let (node, millis) = name.rsplit_once('.')?;
    Some((node.parse().ok()?, Timestamp::from_millis(millis.parse().ok()?)))
}

fn just_after(time: Timestamp) -> Timestamp {
    Timestamp::from_millis(time.as_millis().saturating_add(1))
}

fn feature(node: &NodeId, position: &Position) -> Feature<Properties> {
    let time = position.stamp.time;
    let properties = Properties {
        node: node.to_string(),
        time: rfc3339::write(time),
        altitude: position.altitude_m,
        ground_speed: position.ground_speed_kmh,
        ground_track: position.ground_track_deg,
        sats_in_view: position.sats_in_view,
        precision_bits: position.precision_bits,
    };
    let id = format!("{node}.{}", time.as_millis());
    Feature::new(id, Geometry::from(position), properties)
}

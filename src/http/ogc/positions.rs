//! Where nodes have been, as features. One is named by its node, its time and its packet, as two packets
//! may say the same.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use super::{
    super::{
        base::Base,
        error::ApiError,
        geojson::{BEGIN, Geometry},
        history::MAX_LIMIT,
        listed::json,
        rfc3339,
        streamed::{Form, Rows},
        visits::AT_ONCE,
    },
    collections::Collection,
    items::{Feature, links},
    links::{GEOJSON, Link},
    params::{Region, Wanted},
};
use crate::{
    domain::{Bounds, Timestamp},
    storage::{self, PlaceQuery, Store, StoreError, Visit},
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
pub(super) fn find(store: &Arc<dyn Store>, wanted: Wanted) -> Rows<Visit> {
    let store = Arc::clone(store);
    Rows::asked(wanted.limit(), wanted.cursor.clone(), AT_ONCE, move |limit, cursor| {
        let place = wanted.place.clone();
        let bounds = place.as_ref().map_or(Bounds::EVERYWHERE, |place| place.bounds);
        let (from, to) = (wanted.from, wanted.to.map(just_after));
        let question = PlaceQuery { bounds, from, to, limit, cursor };
        let store = Arc::clone(&store);
        async move { look(&*store, place.as_ref(), question).await }
    })
}

/// The next of them, as long as none was found.
async fn look(
    store: &dyn Store,
    place: Option<&Region>,
    mut question: PlaceQuery,
) -> Result<storage::Page<Visit>, StoreError> {
    let mut looks = 0;
    loop {
        let mut page = store.visits(&question).await?;
        page.records.retain(|visit| place.is_none_or(|place| place.contains(&visit.position)));
        looks += 1;
        if !page.records.is_empty() || page.next.is_none() || looks >= MAX_LOOKS {
            return Ok(page);
        }
        question.cursor = page.next;
    }
}

/// A page of them, as an answer to this query.
pub(super) struct Page {
    base: Base,
    query: Option<String>,
    now: String,
    returned: usize,
}

/// What a page says after its features.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Rest<'a> {
    links: Vec<Link>,
    time_stamp: &'a str,
    number_returned: usize,
}

impl Page {
    pub(super) fn new(base: Base, query: Option<String>, now: String) -> Self {
        Self { base, query, now, returned: 0 }
    }
}

impl Form<Visit> for Page {
    const KIND: &'static str = GEOJSON;
    const BETWEEN: &'static str = ",";

    fn begin(&self, text: &mut Vec<u8>) {
        text.extend_from_slice(BEGIN);
    }

    fn row(&mut self, visit: &Visit, text: &mut Vec<u8>) {
        self.returned += 1;
        json(&feature(visit), text);
    }

    fn end(&self, next: Option<&str>, text: &mut Vec<u8>) {
        let rest = Rest {
            links: links(&self.base, Collection::Positions, self.query.as_deref(), next),
            time_stamp: &self.now,
            number_returned: self.returned,
        };
        text.extend_from_slice(b"],");
        let rest_begins = text.len();
        json(&rest, text);
        // Its members are those of the page.
        text.remove(rest_begins);
    }
}

/// The feature of this name.
pub(super) async fn one(
    store: &dyn Store,
    name: &str,
) -> Result<Option<Feature<Properties>>, ApiError> {
    let Some(time) = time_in(name) else { return Ok(None) };
    let mut question = PlaceQuery {
        bounds: Bounds::EVERYWHERE,
        from: Some(time),
        to: Some(just_after(time)),
        limit: MAX_LIMIT,
        cursor: None,
    };
    loop {
        let page = store.visits(&question).await?;
        if let Some(visit) = page.records.iter().find(|visit| called(visit) == name) {
            return Ok(Some(feature(visit)));
        }
        if page.next.is_none() {
            return Ok(None);
        }
        question.cursor = page.next;
    }
}

/// What a visit is called.
fn called(visit: &Visit) -> String {
    format!("{}.{}.{}", visit.node, visit.position.stamp.time.as_millis(), visit.packet)
}

/// The time in such a name.
fn time_in(name: &str) -> Option<Timestamp> {
    let (before, _packet) = name.rsplit_once('.')?;
    let (_node, millis) = before.rsplit_once('.')?;
    millis.parse().ok().map(Timestamp::from_millis)
}

fn just_after(time: Timestamp) -> Timestamp {
    Timestamp::from_millis(time.as_millis().saturating_add(1))
}

fn feature(visit: &Visit) -> Feature<Properties> {
    let Visit { node, position, packet: _ } = visit;
    let properties = Properties {
        node: node.to_string(),
        time: rfc3339::write(position.stamp.time),
        altitude: position.altitude_m,
        ground_speed: position.ground_speed_kmh,
        ground_track: position.ground_track_deg,
        sats_in_view: position.sats_in_view,
        precision_bits: position.precision_bits,
    };
    Feature::new(called(visit), Geometry::from(position), properties)
}

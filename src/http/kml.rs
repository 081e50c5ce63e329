//! `/kml`: a network link for Google Earth and others, which asks for what is in view.

use std::{fmt::Write as _, sync::Arc};

use axum::{
    extract::{Query, State, rejection::QueryRejection},
    http::header,
    response::{IntoResponse, Response},
};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    AppState, base::Base, error::ApiError, filter::bbox, patterns::BBOX, rfc3339, xml::Escaped,
};
use crate::domain::{Area, Bounds, Filter, Metric, Node};

pub(super) const KML: &str = "application/vnd.google-earth.kml+xml";

/// Most nodes in one answer; those heard last.
const MAX_NODES: usize = 5000;

const START: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
    <kml xmlns=\"http://www.opengis.net/kml/2.2\">\n";

/// Colours are alpha, blue, green, red.
const STYLES: &str = "<Style id=\"online\"><IconStyle><color>ff50af4c</color></IconStyle></Style>\n\
    <Style id=\"offline\"><IconStyle><color>ff9e9e9e</color></IconStyle></Style>\n";

/// What is in view.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct ViewQuery {
    /// `west,south,east,north` in degrees, edges included; `west` greater than `east` crosses the
    /// antimeridian.
    #[schemars(regex(pattern = BBOX))]
    bbox: Option<String>,
}

/// `GET /kml`
pub(super) async fn link(State(state): State<AppState>, base: Base) -> Response {
    let name = Escaped(&state.page.name).to_string();
    let nodes = base.url("/kml/nodes");
    let nodes = Escaped(&nodes);
    answer(format!(
        "{START}<NetworkLink>\n<name>{name}</name>\n<open>1</open>\n<Link>\n<href>{nodes}</href>\n\
         <refreshMode>onInterval</refreshMode>\n<refreshInterval>30</refreshInterval>\n\
         <viewRefreshMode>onStop</viewRefreshMode>\n<viewRefreshTime>1</viewRefreshTime>\n\
         <viewFormat>bbox=[bboxWest],[bboxSouth],[bboxEast],[bboxNorth]</viewFormat>\n\
         </Link>\n</NetworkLink>\n</kml>\n"
    ))
}

/// `GET /kml/nodes?bbox=`
pub(super) async fn nodes(
    State(state): State<AppState>,
    query: Result<Query<ViewQuery>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(query) = query?;
    let bounds = query.bbox.as_deref().map(bbox).transpose()?.unwrap_or(Bounds::EVERYWHERE);
    let bounds = Some(Area::from(bounds));
    let mut nodes = state.live.nodes(Filter { bounds, ..Filter::default() }).await?;
    nodes.sort_unstable_by(|a, b| {
        b.status.last_heard.cmp(&a.status.last_heard).then_with(|| a.id.cmp(&b.id))
    });
    nodes.truncate(MAX_NODES);
    let name = Escaped(&state.page.name);
    let mut text = format!("{START}<Document>\n<name>{name}</name>\n{STYLES}");
    for node in &nodes {
        placemark(&mut text, node);
    }
    text.push_str("</Document>\n</kml>\n");
    Ok(answer(text))
}

fn placemark(text: &mut String, node: &Arc<Node>) {
    let Some(position) = &node.position else { return };
    let id = node.id.to_string();
    let info = &node.info;
    let name = info.long_name.as_deref().or(info.short_name.as_deref()).unwrap_or(&id);
    let style = if node.status.online { "online" } else { "offline" };
    let [longitude, latitude] = position.place.point();
    let altitude = position.altitude_m;
    let (height, mode) = altitude.map_or((0, "clampToGround"), |altitude| (altitude, "absolute"));
    let battery = node.telemetry.get(Metric::BatteryLevel);
    let name = Escaped(name);
    let when = rfc3339::write(position.stamp.time);
    // To write into a string does not fail.
    let _ = write!(
        text,
        "<Placemark>\n<name>{name}</name>\n<styleUrl>#{style}</styleUrl>\n\
         <TimeStamp><when>{when}</when></TimeStamp>\n<ExtendedData>\n",
    );
    for (field, value) in [
        ("id", Some(id.clone())),
        ("shortName", info.short_name.as_deref().map(str::to_owned)),
        ("hwModel", info.hw_model.as_deref().map(str::to_owned)),
        ("role", info.role.as_deref().map(str::to_owned)),
        ("online", Some(node.status.online.to_string())),
        ("lastHeard", Some(rfc3339::write(node.status.last_heard))),
        ("batteryLevel", battery.map(|level| level.to_string())),
    ] {
        if let Some(value) = value {
            let value = Escaped(&value);
            let _ = writeln!(text, "<Data name=\"{field}\"><value>{value}</value></Data>");
        }
    }
    let _ = write!(
        text,
        "</ExtendedData>\n<Point><altitudeMode>{mode}</altitudeMode>\
         <coordinates>{longitude},{latitude},{height}</coordinates></Point>\n</Placemark>\n",
    );
}

fn answer(text: String) -> Response {
    ([(header::CONTENT_TYPE, KML)], text).into_response()
}

//! The way of one node as a line with times.

use std::{iter::once, sync::Arc};

use axum::response::Response;
use serde::Serialize;

use super::{BEGIN, Coordinates, KIND};
use crate::{
    domain::{NodeId, Position, Timestamp},
    http::{
        listed::end_of_list,
        records::Id,
        rfc3339,
        streamed::{Form, Rows, answer},
    },
    storage::StoreError,
};

/// Milliseconds, and where the line goes through then.
type Vertex = (i64, Coordinates);

/// Lines through some places, which are written three times: as places, as times, and as times for
/// readers that look for ISO 8601.
type Lines = Arc<[Vec<Vertex>]>;

/// The way of one node, which was at these places, the newest first; the line begins with the oldest.
/// Where it crosses the antimeridian it is cut, as RFC 7946 section 3.1.9 asks; one place alone is a
/// point.
pub(in crate::http) async fn track(
    node: &NodeId,
    positions: &[Position],
    next: Option<String>,
) -> Result<Response, StoreError> {
    let lines: Lines = cut_at_antimeridian(positions.iter().rev()).into();
    let feature = (!lines.is_empty()).then(|| feature(node, &lines));
    answer(Rows::held(feature.into_iter().flatten(), next), Track).await
}

/// A collection of what is written already.
struct Track;

impl Form<String> for Track {
    const KIND: &'static str = KIND;
    const BETWEEN: &'static str = "";

    fn begin(&self, text: &mut Vec<u8>) {
        text.extend_from_slice(BEGIN);
    }

    fn row(&mut self, part: &String, text: &mut Vec<u8>) {
        text.extend_from_slice(part.as_bytes());
    }

    fn end(&self, next: Option<&str>, text: &mut Vec<u8>) {
        end_of_list(next, text);
    }
}

/// A feature, part by part. The times are nested as the coordinates are.
fn feature(node: &NodeId, lines: &Lines) -> impl Iterator<Item = String> + Send + use<> {
    let many = ["[[", "]]"];
    let one = ["[", "]"];
    let (kind, [begin, end], [begin_times, end_times]) = match &**lines {
        [only] if only.len() == 1 => ("Point", ["", ""], one),
        [_] => ("LineString", one, one),
        _ => ("MultiLineString", many, many),
    };
    let node = written(&Id(node));
    let head = format!(r#"{{"type":"Feature","geometry":{{"type":"{kind}","coordinates":{begin}"#);
    let times = format!(r#"{end}}},"properties":{{"node":{node},"times":{begin_times}"#);
    let coord_times = format!(r#"{end_times},"coordTimes":{begin_times}"#);
    once(head)
        .chain(each(lines, |(_, place)| written(place)))
        .chain(once(times))
        .chain(each(lines, |(time, _)| time.to_string()))
        .chain(once(coord_times))
        .chain(each(lines, |(time, _)| written(&rfc3339::write(Timestamp::from_millis(*time)))))
        .chain(once(format!("{end_times}}}}}")))
}

/// What `write` makes of each vertex, with what stands between two of them.
fn each(
    lines: &Lines,
    write: fn(&Vertex) -> String,
) -> impl Iterator<Item = String> + Send + use<> {
    let lines = Arc::clone(lines);
    (0..lines.len()).flat_map(move |line| {
        let lines = Arc::clone(&lines);
        (0..lines[line].len()).map(move |at| {
            let between = match (line, at) {
                (0, 0) => "",
                (_, 0) => "],[",
                _ => ",",
            };
            format!("{between}{}", write(&lines[line][at]))
        })
    })
}

fn written(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("texts, numbers and lists of them have a JSON form")
}

/// Lines through the positions, each on one side of the antimeridian and up to it.
fn cut_at_antimeridian<'a>(positions: impl Iterator<Item = &'a Position>) -> Vec<Vec<Vertex>> {
    let mut lines: Vec<Vec<Vertex>> = Vec::new();
    let mut before: Option<&Position> = None;
    for position in positions {
        let (time, coordinates) = (position.stamp.time.as_millis(), Coordinates::from(position));
        let [longitude, latitude] = position.place.point();
        let crossing = before.filter(|before| {
            (before.place.longitude() - longitude).abs() > 180.0 && longitude.abs() < 180.0
        });
        match (lines.last_mut(), crossing) {
            (Some(line), Some(before)) => {
                let [from, from_latitude] = before.place.point();
                let edge = 180.0_f64.copysign(from);
                let share = (edge - from) / (longitude + 2.0 * edge - from);
                let latitude = from_latitude + (latitude - from_latitude) * share;
                let at = before.stamp.time.plus(
                    position.stamp.time.since(before.stamp.time).mul_f64(share.clamp(0.0, 1.0)),
                );
                let at = at.as_millis();
                line.push((at, Coordinates::Flat([edge, latitude])));
                let beyond = (at, Coordinates::Flat([-edge, latitude]));
                lines.push(vec![beyond, (time, coordinates)]);
            }
            (Some(line), None) => line.push((time, coordinates)),
            (None, _) => lines.push(vec![(time, coordinates)]),
        }
        before = Some(position);
    }
    lines
}

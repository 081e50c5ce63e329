//! What clients should hold: what a new client is told, and what was published.

use std::collections::BTreeMap;

use anyhow::ensure;
use serde_json::Value;

use super::{
    frames::{Came, Rest},
    socket::{Door, open, read, subscribe},
};
use crate::{
    bench::mesh::{Mesh, Timetable, View},
    broadcast::Encoding,
    config::WireEncoding,
    http::reader::Reader,
};

/// The nodes that a new client is told of, in JSON whatever the others speak.
pub(super) async fn told_anew(
    door: &Door,
    view: &View,
    types: &[String],
) -> anyhow::Result<BTreeMap<String, Value>> {
    let (stream, mut bytes) = open(door, WireEncoding::Json).await?;
    subscribe(&stream, view, types, None).await?;
    let (mut rest, mut reader) = (Rest::default(), Reader::new(Encoding::Json));
    let mut buffer = vec![0; 64 << 10];
    loop {
        rest.take(&bytes, |came| {
            if let Came::Message(message) = came {
                reader.read(message)?;
            }
            Ok(())
        })?;
        if reader.revision().is_some() {
            return Ok(reader.held().clone());
        }
        let came = read(&stream, &mut buffer).await?;
        ensure!(came > 0, "hung up in the middle of a snapshot");
        bytes = buffer[..came].to_vec();
    }
}

/// Where every node is after what was published, in units of 1e-7 degrees, by its id.
pub(super) fn published(mesh: &Mesh, told: Option<(Timetable, u64)>) -> Vec<(String, (i32, i32))> {
    let place = |node| {
        let spoken = told.map_or(0, |(timetable, updates)| timetable.spoken(node, updates));
        (format!("!{:08x}", Mesh::number(node)), mesh.place(node, spoken))
    };
    (0..mesh.len()).map(place).collect()
}

/// How what a client holds differs from what it should, field by field.
pub(super) fn differences(
    held: &BTreeMap<String, Value>,
    truth: &BTreeMap<String, Value>,
) -> Vec<String> {
    let wrong = truth.iter().filter_map(|(id, should)| match held.get(id) {
        None => Some(format!("{id} is missing")),
        Some(is) if is == should => None,
        Some(is) => Some(format!("{id} is {is} and should be {should}")),
    });
    let surplus = held.keys().filter(|id| !truth.contains_key(*id));
    wrong.chain(surplus.map(|id| format!("{id} should not be there"))).collect()
}

/// How the places that a client holds differ from those that were published.
pub(super) fn misplaced(
    held: &BTreeMap<String, Value>,
    published: &[(String, (i32, i32))],
    view: &View,
) -> Vec<String> {
    let wrong = |(id, place): &(String, (i32, i32))| {
        let position = held.get(id).map(|node| &node["position"]);
        let is = position.and_then(place_of);
        let should = view.holds(*place).then_some(*place);
        (is != should).then(|| format!("{id} is at {is:?} and was published at {should:?}"))
    };
    published.iter().filter_map(wrong).collect()
}

/// The place in a position, in units of 1e-7 degrees.
pub(super) fn place_of(position: &Value) -> Option<(i32, i32)> {
    let units = |name: &str| Some((position[name].as_f64()? * 1e7).round() as i32);
    units("latitude").zip(units("longitude"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn nodes(list: &[(&str, i32)]) -> BTreeMap<String, Value> {
        let node = |latitude: i32| json!({ "position": { "latitude": f64::from(latitude) / 1e7, "longitude": 0.5 } });
        list.iter().map(|(id, latitude)| ((*id).to_owned(), node(*latitude))).collect()
    }

    #[test]
    fn every_kind_of_lie_is_found() {
        let truth = nodes(&[("!1", 10), ("!2", 20)]);
        assert!(differences(&truth, &truth).is_empty());
        for lie in [
            nodes(&[("!1", 10)]),
            nodes(&[("!1", 10), ("!2", 21)]),
            nodes(&[("!1", 10), ("!2", 20), ("!3", 30)]),
            nodes(&[]),
        ] {
            assert!(!differences(&lie, &truth).is_empty(), "{lie:?}");
        }
        let mut field = truth.clone();
        field.get_mut("!2").unwrap()["online"] = json!(true);
        assert_eq!(differences(&field, &truth).len(), 1);
    }

    #[test]
    fn a_server_that_lies_to_everybody_alike_is_found_by_what_was_published() {
        let view = View { north: 1.0, south: 0.0, east: 1.0, west: 0.0 };
        let place = |latitude| (latitude, 5_000_000);
        let published = [
            ("!1".to_owned(), place(10)),
            ("!2".to_owned(), place(20)),
            ("!3".to_owned(), place(-30)),
        ];
        let truth = nodes(&[("!1", 10), ("!2", 20)]);
        assert!(misplaced(&truth, &published, &view).is_empty());
        for lie in [
            nodes(&[("!1", 10)]),
            nodes(&[("!1", 10), ("!2", 21)]),
            nodes(&[("!1", 10), ("!2", 20), ("!3", -30)]),
        ] {
            assert!(!misplaced(&lie, &published, &view).is_empty(), "{lie:?}");
        }
    }
}

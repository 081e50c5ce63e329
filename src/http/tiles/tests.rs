//! Tiles are decoded and compared with the nodes in them.

use std::{collections::BTreeMap, sync::Arc};

use proptest::prelude::*;
use prost::Message;

use super::{
    cluster::MAX_FEATURES,
    layer,
    mvt::{self, Tile},
    square::{BUFFER, EXTENT, InvalidTile, MAX_ZOOM, Square},
};
use crate::domain::{self, Network, Node, NodeId, Patch, Place, Position, Stamp, Timestamp, Zoom};

fn node(number: u32, place: Place) -> Arc<Node> {
    let heard = Timestamp::from_millis(1_750_000_000_000 + i64::from(number));
    let position = Position {
        place,
        altitude_m: Some(-7),
        ground_speed_kmh: Some(184.64),
        ground_track_deg: None,
        sats_in_view: None,
        precision_bits: Some(32),
        stamp: Stamp::heard(heard),
    };
    let patch = Patch {
        position: Some(position),
        ..Patch::heard(NodeId::Radio(number), Network::Meshtastic, heard)
    };
    let mut node = Node::heard_first(&patch);
    node.merge(&patch);
    Arc::new(node)
}

/// The features of a tile: their properties and their point.
fn features(bytes: &[u8]) -> Vec<(BTreeMap<String, mvt::Value>, (i32, i32))> {
    let tile = Tile::decode(bytes).unwrap();
    let Some(layer) = tile.layers.first() else { return Vec::new() };
    assert_eq!((layer.version, &*layer.name, layer.extent), (2, "nodes", Some(EXTENT)));
    let unzigzag = |value: u32| (value >> 1).cast_signed() ^ -(value & 1).cast_signed();
    let read = layer.features.iter().map(|feature| {
        let pairs = feature.tags.chunks(2).map(|pair| {
            let (key, value) = (pair[0] as usize, pair[1] as usize);
            (layer.keys[key].clone(), layer.values[value].clone())
        });
        let [9, x, y] = *feature.geometry else { panic!("{feature:?} is no point") };
        assert_eq!(feature.r#type, Some(1));
        (pairs.collect(), (unzigzag(x), unzigzag(y)))
    });
    read.collect()
}

fn text(properties: &BTreeMap<String, mvt::Value>, key: &str) -> String {
    properties[key].string.clone().unwrap()
}

/// The place of a point of a tile, worked out the other way round.
fn place(square: Square, (x, y): (i32, i32)) -> (f64, f64) {
    use std::f64::consts::PI;
    let width = f64::from(1_u32 << square.zoom);
    let along =
        |tile: u32, units: i32| (f64::from(tile) + f64::from(units) / f64::from(EXTENT)) / width;
    let longitude = along(square.x, x) * 360.0 - 180.0;
    let latitude =
        (2.0 * ((1.0 - 2.0 * along(square.y, y)) * PI).exp().atan() - PI / 2.0).to_degrees();
    (latitude, longitude)
}

fn any_place() -> impl Strategy<Value = Place> {
    let latitude = prop_oneof![-90.0..=90.0, 85.0..=90.0, Just(0.0)];
    let longitude = prop_oneof![-180.0..=180.0, 179.9..=180.0, -180.0..=-179.9, Just(0.0)];
    (latitude, longitude)
        .prop_map(|(latitude, longitude)| Place::from_degrees(latitude, longitude).unwrap())
}

/// Places, some of them close to others.
fn places() -> impl Strategy<Value = Vec<Place>> {
    let near = (any_place(), -9e-3..9e-3, -9e-3..9e-3).prop_map(
        |(place, north, east): (Place, f64, f64)| {
            let latitude = (place.latitude() + north).clamp(-90.0, 90.0);
            [
                place,
                Place::from_degrees(latitude, (place.longitude() + east).clamp(-180.0, 180.0))
                    .unwrap(),
            ]
        },
    );
    prop::collection::vec(near, 1..20).prop_map(|pairs| pairs.concat())
}

proptest! {
    #[test]
    fn a_tile_shows_the_nodes_in_it_where_they_are(places in places(), zoom in 0_u8..=14) {
        let nodes: Vec<_> = (1..).zip(&places).map(|(number, place)| node(number, *place)).collect();
        let tile = domain::Tile::of(places[0], Zoom::new(zoom.into()).unwrap());
        let square = Square { zoom, x: tile.x, y: tile.y };
        // As the world finds them.
        let bounds = square.bounds();
        let asked = |node: &&Arc<Node>| bounds.contains(node.position.unwrap().place);
        let found: Vec<_> = nodes.iter().filter(asked).cloned().collect();
        let shown = features(&layer::tile(&found, square));
        let by_id: BTreeMap<_, _> =
            shown.iter().map(|(properties, point)| (text(properties, "id"), *point)).collect();
        prop_assert_eq!(by_id.len(), shown.len(), "each node once");
        for node in &nodes {
            let position = node.position.unwrap().place;
            let point = by_id.get(&node.id.to_string());
            prop_assert_eq!(point.is_some(), square.locate(position).is_some(), "{:?}", position);
            if domain::Tile::of(position, tile.zoom) == tile {
                prop_assert!(point.is_some(), "{:?} is in {}", position, tile);
            }
            if let Some(point) = point {
                let (latitude, longitude) = place(square, *point);
                let unit = 360.0 / f64::from(1_u32 << zoom) / f64::from(EXTENT);
                let aside = (longitude - position.longitude()).abs();
                prop_assert!(aside.min(360.0 - aside) <= unit, "{} {:?}", longitude, position);
                let clamped = position.latitude().clamp(-85.051_13, 85.051_13);
                prop_assert!((latitude - clamped).abs() <= unit, "{} {:?}", latitude, position);
            }
        }
    }
}

#[test]
fn a_feature_holds_what_is_known_of_a_node() {
    let node = node(0xa1b2_c3d4, Place::from_degrees(52.52, 13.405).unwrap());
    let square = Square::parse("10", "550", "335.mvt").unwrap();
    let bytes = layer::tile(&[node], square);
    let tile = Tile::decode(&*bytes).unwrap();
    assert_eq!(tile.layers[0].features[0].id, Some(0xa1b2_c3d4));
    let (properties, _) = features(&bytes).remove(0);
    assert_eq!(text(&properties, "id"), "!a1b2c3d4");
    assert_eq!(properties["online"].bool, Some(true));
    assert_eq!(properties["altitude"].sint, Some(-7));
    assert_eq!(properties["groundSpeed"].float, Some(184.64));
    assert_eq!(properties["lastHeard"].sint, Some(1_750_000_000_000 + 0xa1b2_c3d4));
    let known = layer::FIELDS.map(|(name, _)| name);
    assert!(properties.keys().all(|key| known.contains(&&**key)), "{properties:?}");
}

#[test]
fn a_crowded_tile_counts_nodes_and_holds_no_more_than_its_cells() {
    let count = u32::try_from(MAX_FEATURES).unwrap() + 1;
    let spread = |number: u32| f64::from(number) / f64::from(count);
    let place = |number| {
        Place::from_degrees(80.0 * spread(number), 360.0 * spread(number * 7 % count) - 180.0)
    };
    let nodes: Vec<_> = (0..count).map(|number| node(number, place(number).unwrap())).collect();
    let world = Square::parse("0", "0", "0").unwrap();
    let shown = features(&layer::tile(&nodes, world));
    let per_side = (EXTENT + 2 * BUFFER) / 64 + 1;
    assert!(shown.len() < (per_side * per_side) as usize && shown.len() > 1, "{}", shown.len());
    let stands_for = |(properties, _): &(BTreeMap<String, mvt::Value>, _)| {
        properties.get("point_count").map_or(1, |count| count.sint.unwrap())
    };
    assert_eq!(shown.iter().map(stands_for).sum::<i64>(), i64::from(count));
    let fewer = features(&layer::tile(&nodes[1..], world));
    assert_eq!(fewer.len(), MAX_FEATURES, "each by itself");
}

#[test]
fn only_tiles_of_the_map_are_tiles() {
    assert_eq!(Square::parse("3", "7", "0.pbf"), Ok(Square { zoom: 3, x: 7, y: 0 }));
    let finest = MAX_ZOOM.to_string();
    assert!(Square::parse(&finest, "4194303", "4194303").is_ok());
    for (z, x, y) in [
        ("23", "0", "0"),
        ("1", "2", "0"),
        ("1", "0", "2"),
        ("256", "0", "0"),
        ("9", "99999999999", "0"),
    ] {
        assert_eq!(Square::parse(z, x, y), Err(InvalidTile::NotOnTheMap), "{z}/{x}/{y}");
    }
    for (z, x, y) in [
        ("-1", "0", "0"),
        ("", "0", "0"),
        ("1", "+1", "0"),
        ("1", "0", ".mvt"),
        ("1", "0", "0.png"),
        ("1", "0", "0.mvt.pbf"),
        ("a", "b", "c"),
        ("1", "1.0", "0"),
    ] {
        assert_eq!(Square::parse(z, x, y), Err(InvalidTile::NotNumbers), "{z}/{x}/{y}");
    }
}

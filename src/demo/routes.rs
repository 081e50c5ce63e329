//! Real geography: the ways that nodes move along and the towns that they stand in.

use geo::{ChaikinSmoothing, Coord, LineString, Point};
use thiserror::Error;

/// The region that is compiled in.
const RHINE: &str = include_str!("rhine.txt");

/// What moves along a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteKind {
    /// A river, for boats.
    River,
    /// A line across a lake.
    Ferry,
    /// A main road between cities.
    Road,
    /// A railway between cities.
    Rail,
    /// Streets of a town, for trams and buses.
    Street,
    /// A way for bicycles.
    Cycleway,
    /// A path for hikers.
    Path,
}

/// A named way from end to end, or round and round.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// Its name in the language of the place.
    pub name: Box<str>,
    /// What moves along it.
    pub kind: RouteKind,
    /// Whether it ends where it begins and is travelled round and round.
    pub round: bool,
    /// Its course, longitude first; at least two points.
    pub line: LineString<f64>,
}

/// The language that the names of a town's nodes are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// German.
    German,
    /// French.
    French,
    /// Dutch.
    Dutch,
}

/// A part of a town, around which nodes stand.
#[derive(Clone, Debug, PartialEq)]
pub struct Quarter {
    /// Its name.
    pub name: Box<str>,
    /// Its middle.
    pub middle: Point<f64>,
}

/// A town with the towns close to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Town {
    /// Its name.
    pub name: Box<str>,
    /// Its language.
    pub language: Language,
    /// Metres above the sea.
    pub altitude_m: i32,
    /// Its quarters; at least one.
    pub quarters: Vec<Quarter>,
}

/// The part of the world that the demo plays in.
#[derive(Clone, Debug, PartialEq)]
pub struct Region {
    /// Where nodes move.
    pub routes: Vec<Route>,
    /// Where nodes stand; at least one.
    pub towns: Vec<Town>,
}

/// A description of a region that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("line {line} of the region says nothing that is understood")]
pub struct MalformedRegion {
    /// Counted from 1.
    line: usize,
}

/// A head line and what follows it.
struct Block<'a> {
    line: usize,
    head: &'a str,
    points: Vec<(Coord<f64>, &'a str)>,
}

impl Region {
    /// The Rhine from Lake Constance to the North Sea.
    pub fn rhine() -> Result<Self, MalformedRegion> {
        Self::parse(RHINE)
    }

    /// Reads a description; `rhine.txt` says how one is written.
    pub fn parse(text: &str) -> Result<Self, MalformedRegion> {
        let mut blocks: Vec<Block> = Vec::new();
        for (line, content) in (1..).zip(text.lines().map(str::trim)) {
            if content.is_empty() || content.starts_with('#') {
                continue;
            }
            if content.starts_with(|first: char| first.is_alphabetic()) {
                blocks.push(Block { line, head: content, points: Vec::new() });
            } else {
                let block = blocks.last_mut().ok_or(MalformedRegion { line })?;
                block.points.push(point(content).ok_or(MalformedRegion { line })?);
            }
        }
        let mut region = Self { routes: Vec::new(), towns: Vec::new() };
        for Block { line, head, points } in blocks {
            let wrong = MalformedRegion { line };
            let (what, rest) = head.split_once(' ').ok_or(wrong.clone())?;
            match what {
                "route" => region.routes.push(route(rest, &points).ok_or(wrong)?),
                "town" => region.towns.push(town(rest, points).ok_or(wrong)?),
                _ => return Err(wrong),
            }
        }
        if region.towns.is_empty() {
            return Err(MalformedRegion { line: text.lines().count() });
        }
        Ok(region)
    }
}

/// `<latitude> <longitude> [name]`
fn point(content: &str) -> Option<(Coord<f64>, &str)> {
    let mut words = content.splitn(3, ' ');
    let y: f64 = words.next()?.parse().ok()?;
    let x: f64 = words.next()?.parse().ok()?;
    let on_earth = y.abs() <= 90.0 && x.abs() <= 180.0;
    on_earth.then_some((Coord { x, y }, words.next().unwrap_or_default()))
}

/// `<kind> <name>`
fn route(head: &str, points: &[(Coord<f64>, &str)]) -> Option<Route> {
    let (kind, name) = head.split_once(' ')?;
    let (kind, round) = match kind {
        "river" => (RouteKind::River, false),
        "ferry" => (RouteKind::Ferry, false),
        "road" => (RouteKind::Road, false),
        "rail" => (RouteKind::Rail, false),
        "street" => (RouteKind::Street, false),
        "loop" => (RouteKind::Street, true),
        "cycleway" => (RouteKind::Cycleway, false),
        "path" => (RouteKind::Path, false),
        "loop-path" => (RouteKind::Path, true),
        _ => return None,
    };
    let closed = points.first()?.0 == points.last()?.0;
    if points.len() < 2 || closed != round {
        return None;
    }
    let line: LineString<f64> = points.iter().map(|(point, _)| *point).collect();
    // A river is drawn as it stands in the file. The other ways are corners written down by hand:
    // nobody turns on the spot.
    let line = if kind == RouteKind::River { line } else { line.chaikin_smoothing(2) };
    Some(Route { name: name.into(), kind, round, line })
}

/// `<language> <altitude> <name>`
fn town(head: &str, points: Vec<(Coord<f64>, &str)>) -> Option<Town> {
    let mut words = head.splitn(3, ' ');
    let language = match words.next()? {
        "de" => Language::German,
        "fr" => Language::French,
        "nl" => Language::Dutch,
        _ => return None,
    };
    let altitude_m = words.next()?.parse().ok()?;
    let name = words.next()?.into();
    let quarters: Vec<Quarter> = points
        .into_iter()
        .map(|(middle, name)| Quarter { name: name.into(), middle: middle.into() })
        .collect();
    (!quarters.is_empty()).then_some(Town { name, language, altitude_m, quarters })
}

#[cfg(test)]
mod tests {
    use geo::{Haversine, Length};

    use super::*;

    #[test]
    fn the_rhine_flows_for_seven_hundred_kilometres_to_the_north_sea() {
        let region = Region::rhine().unwrap();
        let river = region.routes.iter().find(|route| route.kind == RouteKind::River).unwrap();
        let kilometres = Haversine.length(&river.line) / 1000.0;
        assert!((600.0..800.0).contains(&kilometres), "{kilometres} km");
        let mouth = river.line.0.last().unwrap();
        assert!(mouth.x < 4.2 && mouth.y > 51.7, "{mouth:?}");
    }

    #[test]
    fn every_kind_of_route_is_there_and_every_quarter_has_a_name() {
        use RouteKind::{Cycleway, Ferry, Path, Rail, River, Road, Street};
        let region = Region::rhine().unwrap();
        for kind in [River, Ferry, Road, Rail, Street, Cycleway, Path] {
            assert!(region.routes.iter().any(|route| route.kind == kind), "no {kind:?}");
        }
        let mut quarters = region.towns.iter().flat_map(|town| &town.quarters);
        assert!(quarters.all(|quarter| !quarter.name.is_empty()));
        assert!(region.towns.len() >= 12);
    }

    #[test]
    fn no_two_neighbouring_points_of_a_route_are_further_apart_than_a_typing_error() {
        for route in Region::rhine().unwrap().routes {
            for leg in route.line.lines() {
                let kilometres = Haversine.length(&leg) / 1000.0;
                assert!(kilometres < 35.0, "{kilometres} km at {leg:?} of {}", route.name);
            }
        }
    }

    #[test]
    fn a_description_that_says_nothing_is_refused_with_its_line() {
        for (text, line) in [
            ("47.0 8.0", 1),
            ("town de 1 Ort\n47.0 8.0 A\nroute river Bach\n47.0 8.0", 3),
            ("town de 1 Ort\n47.0 8.0 A\nroute loop Ring\n47.0 8.0\n47.1 8.0", 3),
            ("town xx 1 Ort\n47.0 8.0 A", 1),
            ("town de 1 Ort\n97.0 8.0 A", 2),
            ("# nothing", 1),
        ] {
            assert_eq!(Region::parse(text), Err(MalformedRegion { line }), "{text}");
        }
    }
}

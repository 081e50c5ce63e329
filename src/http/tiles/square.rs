//! The squares of the map that tiles show: Web Mercator, halved at each zoom.

use std::f64::consts::PI;

use thiserror::Error;

use crate::domain::{Bounds, Place};

/// The finest zoom: 4 cm to a tile's unit at the equator is finer than any position.
pub(super) const MAX_ZOOM: u8 = 22;

/// Units from edge to edge of a tile.
pub(super) const EXTENT: u32 = 4096;

/// Units around a tile that it shows as well, so that symbols on its edge are whole.
pub(super) const BUFFER: u32 = 64;

/// Why something is no tile.
#[derive(Debug, PartialEq, Eq, Error)]
pub(super) enum InvalidTile {
    /// Not three numbers.
    #[error("a tile is zoom/column/row in whole numbers, which .mvt or .pbf may follow")]
    NotNumbers,
    /// Beyond the finest zoom, or beyond the edge of the map.
    #[error("the map has tiles of zoom 0 to {MAX_ZOOM}, columns and rows below 2^zoom")]
    NotOnTheMap,
}

/// One tile: `x` to the east and `y` to the south, both from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Square {
    pub(super) zoom: u8,
    pub(super) x: u32,
    pub(super) y: u32,
}

impl Square {
    /// From the parts of a path; the last may end in `.mvt` or `.pbf`.
    pub(super) fn parse(zoom: &str, x: &str, y: &str) -> Result<Self, InvalidTile> {
        let y = y.strip_suffix(".mvt").or_else(|| y.strip_suffix(".pbf")).unwrap_or(y);
        let number = |text: &str| -> Result<u32, InvalidTile> {
            let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
            if text.is_empty() || !is_number {
                return Err(InvalidTile::NotNumbers);
            }
            text.parse().map_err(|_too_great| InvalidTile::NotOnTheMap)
        };
        let zoom = u8::try_from(number(zoom)?).ok().filter(|zoom| *zoom <= MAX_ZOOM);
        let (x, y) = (number(x)?, number(y)?);
        let square = Self { zoom: zoom.ok_or(InvalidTile::NotOnTheMap)?, x, y };
        let width = 1 << square.zoom;
        (square.x < width && square.y < width).then_some(square).ok_or(InvalidTile::NotOnTheMap)
    }

    /// Tiles from edge to edge of the world.
    fn width(self) -> f64 {
        f64::from(1_u32 << self.zoom)
    }

    /// A rectangle that holds every place in the tile and its buffer, and a hair more. It crosses
    /// the antimeridian where the buffer does. Places beyond 85.05 degrees are on the edge.
    pub(super) fn bounds(self) -> Bounds {
        /// Degrees; wider than any error of rounding here.
        const HAIR: f64 = 1e-7;
        let buffer = f64::from(BUFFER + 1) / f64::from(EXTENT);
        let column = |x: f64| x / self.width() * 360.0 - 180.0;
        let row = |y: f64| (PI * (1.0 - 2.0 * y / self.width())).sinh().atan().to_degrees();
        let (x, y) = (f64::from(self.x), f64::from(self.y));
        let north = if self.y == 0 { 90.0 } else { row(y - buffer) + HAIR };
        let is_last = self.y + 1 == 1 << self.zoom;
        let south = if is_last { -90.0 } else { row(y + 1.0 + buffer) - HAIR };
        let (west, east) = if self.zoom == 0 {
            (-180.0, 180.0)
        } else {
            let round = |degrees: f64| match degrees {
                beyond if beyond < -180.0 => beyond + 360.0,
                beyond if beyond > 180.0 => beyond - 360.0,
                within => within,
            };
            (round(column(x - buffer) - HAIR), round(column(x + 1.0 + buffer) + HAIR))
        };
        Bounds::new(north.min(90.0), south.max(-90.0), east, west).unwrap_or(Bounds::EVERYWHERE)
    }

    /// Where a place is in the tile, in its units from the north-west corner; none if it lies
    /// beyond the buffer.
    pub(super) fn locate(self, place: Place) -> Option<(i32, i32)> {
        let column = (place.longitude() + 180.0) / 360.0 * self.width();
        let row = (1.0 - place.latitude().to_radians().tan().asinh() / PI) / 2.0 * self.width();
        let mut east = column - f64::from(self.x);
        if self.zoom > 0 {
            // The shorter way round.
            let half = self.width() / 2.0;
            if east > half {
                east -= self.width();
            } else if east < -half {
                east += self.width();
            }
        }
        let south = row.clamp(0.0, self.width()) - f64::from(self.y);
        #[expect(clippy::cast_possible_truncation, reason = "at most 2^22 tiles away, and checked")]
        let units = |tiles: f64| (tiles * f64::from(EXTENT)).round() as i64;
        let within = |units: i64| {
            let (least, most) = (-i64::from(BUFFER), i64::from(EXTENT + BUFFER));
            (least..=most).contains(&units).then(|| i32::try_from(units).ok()).flatten()
        };
        Some((within(units(east))?, within(units(south))?))
    }
}

//! Positions, from position packets and from map reports.

use meshtastic::protobufs::{MapReport, Position as PositionMessage};

use super::header::Header;
use crate::{
    domain::{Place, Position, Stamp},
    ingest::Refusal,
};

/// A place exact to its last unit.
const FULL_PRECISION: u32 = 32;
/// Units of `ground_track` in a degree, as the firmware's GPS scales it. The comment in the
/// protocol's description says 100.
const TRACK_UNITS_PER_DEGREE: f64 = 1e5;

/// Reads a position packet.
pub(super) fn read(
    header: &Header,
    message: &PositionMessage,
    precision_bits: Option<u32>,
) -> Result<Position, Refusal> {
    let place = place(message.latitude_i, message.longitude_i)?;
    let precision_bits = precision_bits.map(precision).transpose()?;
    let time = if message.time == 0 { message.timestamp } else { message.time };
    Ok(Position {
        place,
        altitude_m: message.altitude.or(message.altitude_hae),
        ground_speed_kmh: message.ground_speed.and_then(speed),
        ground_track_deg: message.ground_track.and_then(track),
        sats_in_view: Some(message.sats_in_view).filter(|&sats| sats != 0),
        precision_bits,
        stamp: header.stamp(time),
    })
}

/// The position in a map report, if it shares a usable one.
pub(super) fn of_map_report(header: &Header, report: &MapReport) -> Option<Position> {
    Some(Position {
        place: place(Some(report.latitude_i), Some(report.longitude_i)).ok()?,
        altitude_m: Some(report.altitude).filter(|&altitude| altitude != 0),
        ground_speed_kmh: None,
        ground_track_deg: None,
        sats_in_view: None,
        precision_bits: Some(precision(report.position_precision).ok()?),
        stamp: Stamp::heard(header.heard),
    })
}

/// A place from both its coordinates. Both zero is what a receiver without a fix says.
pub(super) fn place(latitude_e7: Option<i32>, longitude_e7: Option<i32>) -> Result<Place, Refusal> {
    match (latitude_e7, longitude_e7) {
        (Some(0), Some(0)) | (None, _) | (_, None) => Err(Refusal::BadPosition),
        (Some(latitude), Some(longitude)) => {
            Place::from_e7(latitude, longitude).map_err(|_error| Refusal::BadPosition)
        }
    }
}

/// Precision in bits; more than there are means all of them.
fn precision(bits: u32) -> Result<u8, Refusal> {
    let bits = bits.min(FULL_PRECISION);
    u8::try_from(bits).ok().filter(|&bits| bits != 0).ok_or(Refusal::PrecisionZero)
}

/// In kilometres an hour, as the firmware's GPS states it. The comment in the protocol's
/// description says metres a second.
fn speed(kmh: u32) -> Option<f32> {
    u16::try_from(kmh).ok().map(f32::from)
}

fn track(units: u32) -> Option<f32> {
    let degrees = f64::from(units) / TRACK_UNITS_PER_DEGREE;
    (degrees <= 360.0).then(|| hundredths(degrees % 360.0))
}

/// Rounded to two decimals, so that 264.61 is not sent as 264.609985.
#[expect(clippy::cast_possible_truncation, reason = "rounded to what is meant")]
fn hundredths(value: f64) -> f32 {
    ((value * 100.0).round() / 100.0) as f32
}

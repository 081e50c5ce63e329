//! What nodes may say, for the tests of what is written of it.

use proptest::{option::of, prelude::*};

use crate::domain::{Place, Position, Stamp, Timestamp};

fn any_float() -> impl Strategy<Value = f32> {
    prop_oneof![
        8 => (0..36_000_000_u32, 0..6).prop_map(|(units, decimals)| {
            #[expect(clippy::cast_possible_truncation, reason = "rounded")]
            let rounded = (f64::from(units) / 10_f64.powi(decimals)) as f32;
            rounded
        }),
        1 => any::<f32>(),
        1 => prop::num::f32::ANY,
    ]
}

/// Whole seconds that are near each other mostly, and any others.
pub(super) fn time() -> impl Strategy<Value = Timestamp> {
    prop_oneof![
        4 => (1_700_000_000..1_700_000_300_i64).prop_map(|seconds| seconds * 1000),
        1 => any::<i64>(),
    ]
    .prop_map(Timestamp::from_millis)
}

/// A position with any of the fields that it may have.
pub(super) fn position() -> impl Strategy<Value = Position> {
    let place = (-900_000_000..=900_000_000, -1_800_000_000..=1_800_000_000);
    let fields = (of(any::<i32>()), of(any_float()), of(any_float()), of(any::<u32>()));
    (place, time(), fields, of(1..=32_u8)).prop_map(|(place, time, fields, precision_bits)| {
        let (altitude_m, ground_speed_kmh, ground_track_deg, sats_in_view) = fields;
        Position {
            place: Place::from_e7(place.0, place.1).unwrap(),
            altitude_m,
            ground_speed_kmh,
            ground_track_deg,
            sats_in_view,
            precision_bits,
            stamp: Stamp::heard(time),
        }
    })
}

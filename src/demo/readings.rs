//! What nodes measure: functions of the node and the time, so that charts are smooth and a
//! reading of the past is the one that would have been taken then.

use std::f64::consts::{PI, TAU};

use meshtastic::protobufs::{
    AirQualityMetrics, DeviceMetrics, EnvironmentMetrics, HealthMetrics, LocalStats, Paxcount,
    PowerMetrics,
};

use super::{
    model::{Node, Part, Supply},
    numbers::{count, fraction, short},
    random::Random,
};
use crate::domain::Timestamp;

const HOUR: f64 = 3600.0;
const DAY: f64 = 24.0 * HOUR;
const YEAR: f64 = 365.25 * DAY;

/// The level that a radio reports while it is charged from outside.
const EXTERNAL_POWER: u32 = 101;

fn seconds(time: Timestamp) -> f64 {
    fraction(time.as_millis()) / 1000.0
}

/// What of `number` lies behind the point, of a node's own beginning.
fn own_share(node: &Node, purpose: u64, time: Timestamp, period: f64) -> f64 {
    let phase = Random::of(u64::from(node.number), purpose).unit();
    (seconds(time) / period + phase).fract()
}

/// From -1 to 1 and back in `period` seconds, by a beginning of the node's own.
fn wave(node: &Node, purpose: u64, time: Timestamp, period: f64) -> f64 {
    (own_share(node, purpose, time, period) * TAU).sin()
}

/// How high the sun stands, from -1 at midnight to 1 at noon. The region keeps one time: UTC+0:30.
fn sun(time: Timestamp) -> f64 {
    (((seconds(time) + HOUR / 2.0) / DAY).fract() * TAU - PI).cos()
}

/// From -1 in the middle of January to 1 in the middle of July.
fn season(time: Timestamp) -> f64 {
    -(((seconds(time) - 15.0 * DAY) / YEAR).fract() * TAU).cos()
}

/// Share of the light of a clear noon, with passing clouds.
fn light(node: &Node, time: Timestamp) -> f64 {
    let clouds = 0.7 + 0.3 * wave(node, 11, time, 1.7 * HOUR);
    sun(time).max(0.0) * clouds
}

fn temperature(node: &Node, time: Timestamp) -> f64 {
    let warmest_after_noon = sun(time.minus(std::time::Duration::from_hours(2)));
    10.5 + 9.0 * season(time) + 4.0 * warmest_after_noon - 0.0065 * f64::from(node.altitude_m)
        + 1.2 * wave(node, 12, time, 31.0 * HOUR)
        + 0.3 * wave(node, 13, time, 0.6 * HOUR)
}

/// Charge in per cent; none while the supply is external.
fn charge(node: &Node, time: Timestamp) -> Option<f64> {
    match node.supply {
        Supply::Mains => None,
        Supply::Solar => {
            let fullest_at_sunset = sun(time.minus(std::time::Duration::from_hours(5)));
            Some(74.0 + 17.0 * fullest_at_sunset + 6.0 * wave(node, 14, time, 50.0 * HOUR))
        }
        Supply::Battery => Some(100.0 - 82.0 * own_share(node, 15, time, 37.0 * HOUR)),
    }
}

fn uptime_seconds(node: &Node, time: Timestamp) -> u32 {
    count(own_share(node, 16, time, 23.0 * DAY) * 23.0 * DAY)
}

fn channel_utilization(node: &Node, time: Timestamp) -> f64 {
    let busy = if node.part == Part::Gateway { 16.0 } else { 9.0 };
    busy + 5.0 * wave(node, 17, time, 2.3 * HOUR) + 3.0 * wave(node, 18, time, 400.0)
}

fn air_util_tx(node: &Node, time: Timestamp) -> f64 {
    let busy = if node.part == Part::Gateway { 3.4 } else { 1.1 };
    busy + 0.8 * wave(node, 19, time, 1.1 * HOUR)
}

/// Battery and use of the channel.
pub(super) fn device(node: &Node, time: Timestamp) -> DeviceMetrics {
    let charge = charge(node, time);
    DeviceMetrics {
        battery_level: Some(charge.map_or(EXTERNAL_POWER, count)),
        voltage: Some(short(charge.map_or(4.22, |charge| 3.3 + 0.009 * charge))),
        channel_utilization: Some(short(channel_utilization(node, time))),
        air_util_tx: Some(short(air_util_tx(node, time))),
        uptime_seconds: Some(uptime_seconds(node, time)),
    }
}

/// What the radio counted since it started.
pub(super) fn local_stats(node: &Node, time: Timestamp) -> LocalStats {
    let uptime_seconds = uptime_seconds(node, time);
    LocalStats {
        uptime_seconds,
        channel_utilization: short(channel_utilization(node, time)),
        air_util_tx: short(air_util_tx(node, time)),
        num_packets_tx: uptime_seconds / 90,
        num_packets_rx: uptime_seconds / 7,
        num_packets_rx_bad: uptime_seconds / 900,
        num_online_nodes: count(60.0 + 20.0 * wave(node, 20, time, 9.0 * HOUR)),
        num_total_nodes: 100,
        num_rx_dupe: uptime_seconds / 25,
        num_tx_relay: uptime_seconds / 60,
        num_tx_relay_canceled: uptime_seconds / 140,
        heap_total_bytes: 262_144,
        heap_free_bytes: count(91_000.0 + 9_000.0 * wave(node, 21, time, HOUR)),
        noise_floor: -104,
        ..LocalStats::default()
    }
}

/// The weather.
pub(super) fn environment(node: &Node, time: Timestamp) -> EnvironmentMetrics {
    let temperature = temperature(node, time);
    let usual = 10.5 + 9.0 * season(time);
    let humidity = 74.0 - 2.4 * (temperature - usual) + 6.0 * wave(node, 22, time, 11.0 * HOUR);
    let at_sea = 1014.0 + 9.0 * (seconds(time) / (4.2 * DAY) * TAU).sin();
    let mut metrics = EnvironmentMetrics {
        temperature: Some(short(temperature)),
        relative_humidity: Some(short(humidity.clamp(15.0, 99.0))),
        barometric_pressure: Some(short(at_sea * (-f64::from(node.altitude_m) / 8434.0).exp())),
        ..EnvironmentMetrics::default()
    };
    if node.senses.wind {
        let wind = 4.0 + 2.5 * wave(node, 23, time, 5.0 * HOUR) + wave(node, 24, time, 300.0);
        let rain = (wave(node, 25, time, 8.0 * HOUR) - 0.6).max(0.0) * 6.0;
        metrics.lux = Some(short(80_000.0 * light(node, time)));
        metrics.wind_speed = Some(short(wind.max(0.0)));
        metrics.wind_gust = Some(short(wind.max(0.0) * 1.6));
        metrics.wind_direction = Some(count(250.0 + 70.0 * wave(node, 26, time, 13.0 * HOUR)));
        metrics.rainfall_1h = Some(short(rain));
        metrics.rainfall_24h = Some(short(rain + 2.5));
    }
    metrics
}

/// The panel and what it charges.
pub(super) fn power(node: &Node, time: Timestamp) -> PowerMetrics {
    let light = light(node, time);
    let charge = charge(node, time).unwrap_or(100.0);
    PowerMetrics {
        ch1_voltage: Some(short(if light > 0.0 { 5.1 + 0.9 * light } else { 0.2 })),
        ch1_current: Some(short(420.0 * light)),
        ch2_voltage: Some(short(3.3 + 0.009 * charge)),
        ch2_current: Some(short(-38.0 + 300.0 * light)),
        ..PowerMetrics::default()
    }
}

/// Particles and carbon dioxide; worst when people heat and commute.
pub(super) fn air_quality(node: &Node, time: Timestamp) -> AirQualityMetrics {
    let rush = (sun(time) * PI).cos().max(0.0);
    let dust = 9.0 - 3.0 * season(time) + 6.0 * rush + 3.0 * wave(node, 27, time, 6.0 * HOUR);
    AirQualityMetrics {
        pm10_standard: Some(count(dust * 0.6)),
        pm25_standard: Some(count(dust)),
        pm100_standard: Some(count(dust * 1.7)),
        co2: Some(count(430.0 + 12.0 * dust.max(0.0))),
        ..AirQualityMetrics::default()
    }
}

/// The pulse of a hiker.
pub(super) fn health(node: &Node, time: Timestamp) -> HealthMetrics {
    HealthMetrics {
        heart_bpm: Some(count(104.0 + 18.0 * wave(node, 28, time, 900.0))),
        sp_o2: Some(count(97.0 + wave(node, 29, time, 1300.0))),
        temperature: Some(short(36.9 + 0.3 * wave(node, 30, time, HOUR))),
    }
}

/// Wireless devices nearby; fewer at night.
pub(super) fn crowd(node: &Node, time: Timestamp) -> Paxcount {
    let people = 45.0 + 35.0 * sun(time) + 12.0 * wave(node, 31, time, 0.7 * HOUR);
    Paxcount { wifi: count(people), ble: count(people * 1.8), uptime: uptime_seconds(node, time) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::demo::{model::Population, routes::Region};

    #[test]
    fn readings_are_plausible_in_every_hour_of_a_year() {
        let nodes = Population::new(&Region::rhine().unwrap(), 300, 1).nodes;
        for (hours, node) in (0..8766).zip(nodes.iter().cycle()) {
            let time = Timestamp::from_seconds(1_767_225_600).plus(Duration::from_hours(hours));
            let device = device(node, time);
            assert!((5..=101).contains(&device.battery_level.unwrap()), "{device:?}");
            assert!((0.0..40.0).contains(&device.channel_utilization.unwrap()), "{device:?}");
            assert!((0.0..10.0).contains(&device.air_util_tx.unwrap()), "{device:?}");
            let weather = environment(node, time);
            assert!((-15.0..40.0).contains(&weather.temperature.unwrap()), "{weather:?}");
            assert!((900.0..1040.0).contains(&weather.barometric_pressure.unwrap()), "{weather:?}");
            let air = air_quality(node, time);
            assert!(air.pm25_standard.unwrap() < 60, "{air:?}");
        }
    }

    #[test]
    fn it_is_warmer_and_lighter_by_day_and_in_summer() {
        let nodes = Population::new(&Region::rhine().unwrap(), 300, 1).nodes;
        let sensor = nodes.iter().find(|node| node.senses.wind).unwrap();
        let read = |time| environment(sensor, Timestamp::from_seconds(time));
        let (night, noon, winter) = (1_783_300_000, 1_783_343_000, 1_768_480_000);
        assert!(read(noon).lux > read(night).lux);
        assert!(read(noon).temperature > read(winter).temperature);
    }
}

//! Telemetry in JSON: one flat object of fields, which show the message that they came from.

use meshtastic::protobufs::{
    AirQualityMetrics, DeviceMetrics, EnvironmentMetrics, PowerMetrics, Telemetry,
    telemetry::Variant,
};

use super::fields::Fields;

/// The message that the fields came from; without one if there is none that is published.
pub(super) fn read(fields: Fields<'_>) -> Telemetry {
    let any = |names: &[&str]| names.iter().any(|name| fields.has(name));
    let variant = if any(&["battery_level", "channel_utilization", "air_util_tx"]) {
        Some(Variant::DeviceMetrics(device(fields)))
    } else if any(&["voltage_ch1", "voltage_ch2", "voltage_ch3"])
        || any(&["current_ch1", "current_ch2", "current_ch3"])
    {
        Some(Variant::PowerMetrics(power(fields)))
    } else if any(&["pm10", "pm25", "pm100", "pm10_e", "pm25_e", "pm100_e"])
        || any(&["co2", "co2_temperature", "co2_humidity"])
        || any(&["form_formaldehyde", "form_temperature", "form_humidity"])
    {
        Some(Variant::AirQualityMetrics(air_quality(fields)))
    } else {
        Some(environment(fields))
            .filter(|metrics| *metrics != EnvironmentMetrics::default())
            .map(Variant::EnvironmentMetrics)
    };
    Telemetry { time: 0, variant }
}

fn device(fields: Fields<'_>) -> DeviceMetrics {
    DeviceMetrics {
        battery_level: fields.u32("battery_level"),
        voltage: fields.f32("voltage"),
        channel_utilization: fields.f32("channel_utilization"),
        air_util_tx: fields.f32("air_util_tx"),
        uptime_seconds: fields.u32("uptime_seconds"),
    }
}

fn environment(fields: Fields<'_>) -> EnvironmentMetrics {
    EnvironmentMetrics {
        temperature: fields.f32("temperature"),
        relative_humidity: fields.f32("relative_humidity"),
        barometric_pressure: fields.f32("barometric_pressure"),
        gas_resistance: fields.f32("gas_resistance"),
        voltage: fields.f32("voltage"),
        current: fields.f32("current"),
        iaq: fields.u32("iaq"),
        distance: fields.f32("distance"),
        lux: fields.f32("lux"),
        white_lux: fields.f32("white_lux"),
        ir_lux: fields.f32("ir_lux"),
        uv_lux: fields.f32("uv_lux"),
        wind_direction: fields.u32("wind_direction"),
        wind_speed: fields.f32("wind_speed"),
        weight: fields.f32("weight"),
        wind_gust: fields.f32("wind_gust"),
        wind_lull: fields.f32("wind_lull"),
        radiation: fields.f32("radiation"),
        rainfall_1h: fields.f32("rainfall_1h"),
        rainfall_24h: fields.f32("rainfall_24h"),
        soil_moisture: fields.u32("soil_moisture"),
        soil_temperature: fields.f32("soil_temperature"),
    }
}

fn air_quality(fields: Fields<'_>) -> AirQualityMetrics {
    AirQualityMetrics {
        pm10_standard: fields.u32("pm10"),
        pm25_standard: fields.u32("pm25"),
        pm100_standard: fields.u32("pm100"),
        pm10_environmental: fields.u32("pm10_e"),
        pm25_environmental: fields.u32("pm25_e"),
        pm100_environmental: fields.u32("pm100_e"),
        co2: fields.u32("co2"),
        co2_temperature: fields.f32("co2_temperature"),
        co2_humidity: fields.f32("co2_humidity"),
        form_formaldehyde: fields.f32("form_formaldehyde"),
        form_humidity: fields.f32("form_humidity"),
        form_temperature: fields.f32("form_temperature"),
        ..AirQualityMetrics::default()
    }
}

fn power(fields: Fields<'_>) -> PowerMetrics {
    PowerMetrics {
        ch1_voltage: fields.f32("voltage_ch1"),
        ch1_current: fields.f32("current_ch1"),
        ch2_voltage: fields.f32("voltage_ch2"),
        ch2_current: fields.f32("current_ch2"),
        ch3_voltage: fields.f32("voltage_ch3"),
        ch3_current: fields.f32("current_ch3"),
        ..PowerMetrics::default()
    }
}

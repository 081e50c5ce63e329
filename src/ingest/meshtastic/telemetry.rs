//! Telemetry: the fields of each message as metrics.

use meshtastic::protobufs::{
    AirQualityMetrics, DeviceMetrics, EnvironmentMetrics, HealthMetrics, HostMetrics, LocalStats,
    Paxcount, PowerMetrics, Telemetry, telemetry::Variant,
};

use super::header::Header;
use crate::domain::{Metric, Readings, Section};

/// Reads a telemetry packet; none if it states no reading, as one that asks for readings does.
pub(super) fn read(header: &Header, message: &Telemetry) -> Option<Readings> {
    let (section, values) = match message.variant.as_ref()? {
        Variant::DeviceMetrics(metrics) => (Section::Device, device(metrics)),
        Variant::EnvironmentMetrics(metrics) => (Section::Environment, environment(metrics)),
        Variant::PowerMetrics(metrics) => (Section::Power, power(metrics)),
        Variant::AirQualityMetrics(metrics) => (Section::AirQuality, air_quality(metrics)),
        Variant::LocalStats(metrics) => (Section::LocalStats, local_stats(metrics)),
        Variant::HealthMetrics(metrics) => (Section::Health, health(metrics)),
        Variant::HostMetrics(metrics) => (Section::Host, host(metrics)),
        Variant::TrafficManagementStats(_) => return None,
    };
    readings(header, message.time, section, values)
}

/// Reads a count of wireless devices nearby.
pub(super) fn read_paxcount(header: &Header, message: &Paxcount) -> Option<Readings> {
    readings(header, 0, Section::Paxcounter, paxcount(message))
}

fn readings(
    header: &Header,
    time: u32,
    section: Section,
    values: Vec<(Metric, f64)>,
) -> Option<Readings> {
    let stamp = header.stamp(time);
    (!values.is_empty()).then_some(Readings { stamp, section, values })
}

/// A field that may hold a reading.
trait Reading {
    /// The reading; none if there is none, or if it is not finite.
    fn value(self) -> Option<f64>;
}

impl Reading for u32 {
    fn value(self) -> Option<f64> {
        Some(f64::from(self))
    }
}

impl Reading for i32 {
    fn value(self) -> Option<f64> {
        Some(f64::from(self))
    }
}

impl Reading for u64 {
    #[expect(clippy::cast_precision_loss, reason = "bytes of a disk, beyond 2^53 to a few")]
    fn value(self) -> Option<f64> {
        Some(self as f64)
    }
}

impl Reading for f32 {
    /// The number that was meant: 3.912 becomes 3.912 and not 3.9119999408721924.
    fn value(self) -> Option<f64> {
        self.is_finite().then(|| self.to_string().parse().ok()).flatten()
    }
}

impl<R: Reading> Reading for Option<R> {
    fn value(self) -> Option<f64> {
        self.and_then(R::value)
    }
}

/// Defines a function from a message to its readings, field by field.
macro_rules! fields {
    ($name:ident($message:ty) { $($field:ident => $metric:ident),+ $(,)? }) => {
        fn $name(message: &$message) -> Vec<(Metric, f64)> {
            let all = [$((Metric::$metric, message.$field.value())),+];
            let stated = all.into_iter().filter_map(|(metric, value)| Some((metric, value?)));
            stated.collect()
        }
    };
}

fields!(device(DeviceMetrics) {
    battery_level => BatteryLevel,
    voltage => Voltage,
    channel_utilization => ChannelUtilization,
    air_util_tx => AirUtilTx,
    uptime_seconds => UptimeSeconds,
});

fields!(environment(EnvironmentMetrics) {
    temperature => Temperature,
    relative_humidity => RelativeHumidity,
    barometric_pressure => BarometricPressure,
    gas_resistance => GasResistance,
    voltage => SensorVoltage,
    current => SensorCurrent,
    iaq => Iaq,
    distance => Distance,
    lux => Lux,
    white_lux => WhiteLux,
    ir_lux => IrLux,
    uv_lux => UvLux,
    wind_direction => WindDirection,
    wind_speed => WindSpeed,
    wind_gust => WindGust,
    wind_lull => WindLull,
    weight => Weight,
    radiation => Radiation,
    rainfall_1h => Rainfall1h,
    rainfall_24h => Rainfall24h,
    soil_moisture => SoilMoisture,
    soil_temperature => SoilTemperature,
});

fields!(power(PowerMetrics) {
    ch1_voltage => Ch1Voltage,
    ch1_current => Ch1Current,
    ch2_voltage => Ch2Voltage,
    ch2_current => Ch2Current,
    ch3_voltage => Ch3Voltage,
    ch3_current => Ch3Current,
    ch4_voltage => Ch4Voltage,
    ch4_current => Ch4Current,
    ch5_voltage => Ch5Voltage,
    ch5_current => Ch5Current,
    ch6_voltage => Ch6Voltage,
    ch6_current => Ch6Current,
    ch7_voltage => Ch7Voltage,
    ch7_current => Ch7Current,
    ch8_voltage => Ch8Voltage,
    ch8_current => Ch8Current,
});

fields!(air_quality(AirQualityMetrics) {
    pm10_standard => Pm10Standard,
    pm25_standard => Pm25Standard,
    pm40_standard => Pm40Standard,
    pm100_standard => Pm100Standard,
    pm10_environmental => Pm10Environmental,
    pm25_environmental => Pm25Environmental,
    pm100_environmental => Pm100Environmental,
    particles_03um => Particles03um,
    particles_05um => Particles05um,
    particles_10um => Particles10um,
    particles_25um => Particles25um,
    particles_40um => Particles40um,
    particles_50um => Particles50um,
    particles_100um => Particles100um,
    co2 => Co2,
    co2_temperature => Co2Temperature,
    co2_humidity => Co2Humidity,
    form_formaldehyde => Formaldehyde,
    form_humidity => FormaldehydeHumidity,
    form_temperature => FormaldehydeTemperature,
    pm_temperature => PmTemperature,
    pm_humidity => PmHumidity,
    pm_voc_idx => VocIndex,
    pm_nox_idx => NoxIndex,
    particles_tps => ParticlesTps,
});

fn local_stats(message: &LocalStats) -> Vec<(Metric, f64)> {
    fields!(counted(LocalStats) {
        uptime_seconds => UptimeSeconds,
        channel_utilization => ChannelUtilization,
        air_util_tx => AirUtilTx,
        num_packets_tx => NumPacketsTx,
        num_packets_rx => NumPacketsRx,
        num_packets_rx_bad => NumPacketsRxBad,
        num_online_nodes => NumOnlineNodes,
        num_total_nodes => NumTotalNodes,
        num_rx_dupe => NumRxDupe,
        num_tx_relay => NumTxRelay,
        num_tx_relay_canceled => NumTxRelayCanceled,
        heap_total_bytes => HeapTotalBytes,
        heap_free_bytes => HeapFreeBytes,
        num_tx_dropped => NumTxDropped,
        noise_floor => NoiseFloor,
    });
    // Zero is a count, but neither a heap nor a noise floor: older firmware does not state these.
    let mut values = counted(message);
    values.retain(|&(metric, value)| {
        let measured =
            matches!(metric, Metric::HeapTotalBytes | Metric::HeapFreeBytes | Metric::NoiseFloor);
        !measured || value != 0.0
    });
    values
}

fields!(health(HealthMetrics) {
    heart_bpm => HeartBpm,
    sp_o2 => SpO2,
    temperature => BodyTemperature,
});

fields!(host(HostMetrics) {
    uptime_seconds => HostUptimeSeconds,
    freemem_bytes => FreememBytes,
    diskfree1_bytes => Diskfree1Bytes,
    diskfree2_bytes => Diskfree2Bytes,
    diskfree3_bytes => Diskfree3Bytes,
    load1 => Load1,
    load5 => Load5,
    load15 => Load15,
});

fields!(paxcount(Paxcount) {
    wifi => PaxWifi,
    ble => PaxBle,
    uptime => UptimeSeconds,
});

//! Telemetry: named readings, in sections that a packet carries one of.

use super::Stamp;

/// The part of a node that a reading describes. A telemetry packet carries one section, so each
/// section has its own newest time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Section {
    /// Battery, voltage, use of the channel.
    Device,
    /// Weather, light, soil, water, wind.
    Environment,
    /// Voltages and currents of a power meter.
    Power,
    /// Particles and gases.
    AirQuality,
    /// What the radio counted.
    LocalStats,
    /// Of the person who carries it.
    Health,
    /// Of the computer that a node runs on.
    Host,
    /// Wireless devices counted nearby.
    Paxcounter,
}

macro_rules! metrics {
    ($($section:ident { $($variant:ident = $name:literal),+ $(,)? })+) => {
        /// One measured quantity. Names and units are those of Meshtastic's telemetry messages.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[expect(missing_docs, reason = "the names are their documentation")]
        pub enum Metric { $($($variant),+),+ }

        impl Metric {
            /// Every metric, by its number.
            pub const ALL: &'static [Self] = &[$($(Self::$variant),+),+];

            /// Its number, from 1.
            pub const fn number(self) -> u32 {
                self as u32 + 1
            }

            /// The metric of this number.
            pub fn numbered(number: u32) -> Option<Self> {
                Self::ALL.get(usize::try_from(number).ok()?.checked_sub(1)?).copied()
            }

            /// The name in the protocol and in the database.
            pub const fn name(self) -> &'static str {
                match self { $($(Self::$variant => $name),+),+ }
            }

            /// The metric of this name.
            pub fn named(name: &str) -> Option<Self> {
                match name { $($($name => Some(Self::$variant)),+),+, _ => None }
            }

            /// The section that this metric arrives in.
            pub const fn section(self) -> Section {
                match self { $($(Self::$variant => Section::$section),+),+ }
            }
        }
    };
}

// The binary encoding knows them by their places here: further ones go to the end, in a block of
// their section.
metrics! {
    Device {
        BatteryLevel = "batteryLevel", Voltage = "voltage",
        ChannelUtilization = "channelUtilization", AirUtilTx = "airUtilTx",
        UptimeSeconds = "uptimeSeconds",
    }
    Environment {
        Temperature = "temperature", RelativeHumidity = "relativeHumidity",
        BarometricPressure = "barometricPressure", GasResistance = "gasResistance",
        SensorVoltage = "sensorVoltage", SensorCurrent = "sensorCurrent", Iaq = "iaq",
        Distance = "distance", Lux = "lux", WhiteLux = "whiteLux", IrLux = "irLux", UvLux = "uvLux",
        WindDirection = "windDirection", WindSpeed = "windSpeed", WindGust = "windGust",
        WindLull = "windLull", Weight = "weight", Radiation = "radiation",
        Rainfall1h = "rainfall1h", Rainfall24h = "rainfall24h",
        SoilMoisture = "soilMoisture", SoilTemperature = "soilTemperature",
    }
    Power {
        Ch1Voltage = "ch1Voltage", Ch1Current = "ch1Current",
        Ch2Voltage = "ch2Voltage", Ch2Current = "ch2Current",
        Ch3Voltage = "ch3Voltage", Ch3Current = "ch3Current",
        Ch4Voltage = "ch4Voltage", Ch4Current = "ch4Current",
        Ch5Voltage = "ch5Voltage", Ch5Current = "ch5Current",
        Ch6Voltage = "ch6Voltage", Ch6Current = "ch6Current",
        Ch7Voltage = "ch7Voltage", Ch7Current = "ch7Current",
        Ch8Voltage = "ch8Voltage", Ch8Current = "ch8Current",
    }
    AirQuality {
        Pm10Standard = "pm10Standard", Pm25Standard = "pm25Standard", Pm40Standard = "pm40Standard",
        Pm100Standard = "pm100Standard", Pm10Environmental = "pm10Environmental",
        Pm25Environmental = "pm25Environmental", Pm100Environmental = "pm100Environmental",
        Particles03um = "particles03um", Particles05um = "particles05um",
        Particles10um = "particles10um", Particles25um = "particles25um",
        Particles40um = "particles40um", Particles50um = "particles50um",
        Particles100um = "particles100um", Co2 = "co2", Co2Temperature = "co2Temperature",
        Co2Humidity = "co2Humidity", Formaldehyde = "formaldehyde",
        FormaldehydeHumidity = "formaldehydeHumidity",
        FormaldehydeTemperature = "formaldehydeTemperature", VocIndex = "vocIndex", NoxIndex = "noxIndex",
        ParticlesTps = "particlesTps", PmTemperature = "pmTemperature", PmHumidity = "pmHumidity",
    }
    LocalStats {
        NumPacketsTx = "numPacketsTx", NumPacketsRx = "numPacketsRx", NumPacketsRxBad = "numPacketsRxBad",
        NumOnlineNodes = "numOnlineNodes", NumTotalNodes = "numTotalNodes", NumRxDupe = "numRxDupe",
        NumTxRelay = "numTxRelay", NumTxRelayCanceled = "numTxRelayCanceled",
        HeapTotalBytes = "heapTotalBytes", HeapFreeBytes = "heapFreeBytes", NumTxDropped = "numTxDropped",
        NoiseFloor = "noiseFloor",
    }
    Health {
        HeartBpm = "heartBpm", SpO2 = "spO2", BodyTemperature = "bodyTemperature",
    }
    Host {
        HostUptimeSeconds = "hostUptimeSeconds", FreememBytes = "freememBytes",
        Diskfree1Bytes = "diskfree1Bytes", Diskfree2Bytes = "diskfree2Bytes",
        Diskfree3Bytes = "diskfree3Bytes", Load1 = "load1", Load5 = "load5", Load15 = "load15",
    }
    Paxcounter {
        PaxWifi = "paxWifi", PaxBle = "paxBle",
    }
}

/// The readings of one packet: one section, at one time.
#[derive(Clone, Debug, PartialEq)]
pub struct Readings {
    /// When they were taken.
    pub stamp: Stamp,
    /// Which part of the node they describe.
    pub section: Section,
    /// The metrics stated, each at most once and finite.
    pub values: Vec<(Metric, f64)>,
}

/// All readings known of a node, each the newest of its kind.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Telemetry {
    /// The stamp of the newest readings of each section, by section.
    sections: Vec<(Section, Stamp)>,
    /// By metric.
    values: Vec<(Metric, f64)>,
}

impl Telemetry {
    /// Telemetry as it was stored.
    pub fn restore(mut sections: Vec<(Section, Stamp)>, mut values: Vec<(Metric, f64)>) -> Self {
        sections.sort_by_key(|(section, _)| *section);
        values.sort_by_key(|(metric, _)| *metric);
        values.dedup_by_key(|(metric, _)| *metric);
        Self { sections, values }
    }

    /// The newest stamp of each section.
    pub fn sections(&self) -> &[(Section, Stamp)] {
        &self.sections
    }

    /// Every known reading, by metric.
    pub fn values(&self) -> &[(Metric, f64)] {
        &self.values
    }

    /// The newest reading of `metric`.
    pub fn get(&self, metric: Metric) -> Option<f64> {
        self.values
            .binary_search_by_key(&metric, |(known, _)| *known)
            .ok()
            .map(|at| self.values[at].1)
    }

    /// The stamp of the newest section, by source time; none when nothing is known.
    pub fn newest(&self) -> Option<Stamp> {
        self.sections.iter().map(|(_, stamp)| *stamp).max_by_key(|stamp| stamp.time)
    }

    /// Takes in `readings` and says whether anything is new. Readings older than what is known of
    /// their section only fill in metrics that are not known at all.
    ///
    /// Some metrics arrive in two sections (the radio's statistics repeat the use of the channel):
    /// such a reading must also not be older than the section that the metric is at home in.
    pub fn merge(&mut self, readings: &Readings) -> bool {
        let newest_before = self.newest().map(|stamp| stamp.time);
        let at = self.sections.binary_search_by_key(&readings.section, |(section, _)| *section);
        let newer =
            self.stamp_of(readings.section).is_none_or(|held| readings.stamp.supersedes(&held));
        let mut news = false;
        for &(metric, value) in &readings.values {
            match self.values.binary_search_by_key(&metric, |(known, _)| *known) {
                Ok(at) => {
                    let home = self.stamp_of(metric.section());
                    if newer && home.is_none_or(|home| readings.stamp.supersedes(&home)) {
                        news |= self.values[at].1.to_bits() != value.to_bits();
                        self.values[at].1 = value;
                    }
                }
                Err(at) => {
                    self.values.insert(at, (metric, value));
                    news = true;
                }
            }
        }
        match at {
            Ok(at) if newer => self.sections[at].1 = readings.stamp,
            Ok(_) => {}
            Err(at) => self.sections.insert(at, (readings.section, readings.stamp)),
        }
        news || self.newest().map(|stamp| stamp.time) != newest_before
    }

    fn stamp_of(&self, section: Section) -> Option<Stamp> {
        let at = self.sections.binary_search_by_key(&section, |(known, _)| *known).ok()?;
        Some(self.sections[at].1)
    }
}

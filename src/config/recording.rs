//! Settings of what records, and of what publishes recordings.

use std::path::PathBuf;

use clap::Args;
use url::Url;

use super::{Secret, values};

/// Settings of a recording.
#[derive(Args, Clone, Debug)]
pub struct Record {
    /// The broker, as mqtt://user:password@host:1883 or mqtts://...
    #[arg(long, value_name = "URL", env = "GEOCAST_MQTT_URL")]
    #[arg(value_parser = values::mqtt_url, hide_env_values = true)]
    pub mqtt_url: Secret<Url>,

    /// Certificates (PEM) of the authorities to trust for mqtts://, in place of the usual ones.
    #[arg(long, value_name = "FILE", env = "GEOCAST_MQTT_CA")]
    pub mqtt_ca: Option<PathBuf>,

    /// What to subscribe to; may be given several times.
    #[arg(long, value_name = "FILTER", default_value = "msh/#", env = "GEOCAST_MQTT_TOPIC")]
    #[arg(value_parser = values::topic_filter, value_delimiter = ',')]
    pub mqtt_topic: Vec<String>,

    /// The file to write; it must not exist yet.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

/// Settings of a replay.
#[derive(Args, Clone, Debug)]
pub struct Replay {
    /// The recorded file.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    /// The broker, as mqtt://user:password@host:1883 or mqtts://...
    #[arg(long, value_name = "URL", env = "GEOCAST_MQTT_URL")]
    #[arg(value_parser = values::mqtt_url, hide_env_values = true)]
    pub mqtt_url: Secret<Url>,

    /// Certificates (PEM) of the authorities to trust for mqtts://, in place of the usual ones.
    #[arg(long, value_name = "FILE", env = "GEOCAST_MQTT_CA")]
    pub mqtt_ca: Option<PathBuf>,

    /// Messages a second; without --rate and --speed as fast as the broker takes them.
    #[arg(long, value_name = "N", conflicts_with = "speed", env = "GEOCAST_RATE")]
    #[arg(value_parser = values::positive)]
    pub rate: Option<f64>,

    /// Times the recorded pace: 1 takes as long as the recording did, 10 a tenth of it.
    #[arg(long, value_name = "X", env = "GEOCAST_SPEED")]
    #[arg(value_parser = values::positive)]
    pub speed: Option<f64>,

    /// Quality of service: 0, or 1 to wait until the broker has acknowledged everything.
    #[arg(long, value_name = "0|1", default_value_t = 0, env = "GEOCAST_QOS")]
    #[arg(value_parser = clap::value_parser!(u8).range(0..=1))]
    pub qos: u8,
}

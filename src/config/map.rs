//! Settings of the map, in the server and in the demonstration.

use std::{
    net::{Ipv4Addr, SocketAddr, SocketAddrV4},
    time::Duration,
};

use clap::Args;
use url::Url;

use super::{Access, Limits, Retention, values};

/// Settings of the map.
#[derive(Args, Clone, Debug)]
pub struct Map {
    /// A node silent for this long is shown as offline.
    #[arg(long, value_name = "SPAN", default_value = "2h", env = "GEOCAST_OFFLINE_AFTER")]
    #[arg(value_parser = values::span)]
    pub offline_after: Duration,

    /// A node silent for this long leaves the map; its history is kept apart from that.
    #[arg(long, value_name = "SPAN", default_value = "7d", env = "GEOCAST_FORGET_AFTER")]
    #[arg(value_parser = values::span)]
    pub forget_after: Duration,

    /// How long it is remembered that a node left, for clients that come back.
    #[arg(long, value_name = "SPAN", default_value = "1h", env = "GEOCAST_RESUME_WITHIN")]
    #[arg(value_parser = values::span)]
    pub resume_within: Duration,

    /// The least time between two batches of changes, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 100, env = "GEOCAST_TICK_MS")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=60_000))]
    pub tick_ms: u64,

    /// Where TAK clients are told of nodes as Cursor on Target events over TCP, as in
    /// 127.0.0.1:8087; nowhere if not given. Whoever reaches it is told everything on the map.
    #[arg(long, value_name = "ADDRESS", env = "GEOCAST_COT_LISTEN")]
    #[arg(value_parser = values::address)]
    pub cot_listen: Option<SocketAddr>,

    /// A multicast group that is told the same by UDP, as in 239.2.3.1:6969, which TAK devices
    /// listen to; none if not given.
    #[arg(long, value_name = "GROUP:PORT", env = "GEOCAST_COT_MULTICAST")]
    #[arg(value_parser = values::group)]
    pub cot_multicast: Option<SocketAddrV4>,

    /// The address of the interface behind which the group of --cot-multicast is told. Whoever
    /// listens there is told everything on the map.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    #[arg(env = "GEOCAST_COT_INTERFACE")]
    pub cot_interface: Ipv4Addr,

    /// Where traces are sent, by OTLP over HTTP, as in http://127.0.0.1:4318; nowhere if not given.
    #[arg(long, value_name = "URL", env = "GEOCAST_OTLP_ENDPOINT")]
    #[arg(value_parser = values::collector_url)]
    pub otlp_endpoint: Option<Url>,

    /// The title of the map.
    #[arg(long, value_name = "TEXT", default_value = "geocast", env = "GEOCAST_MAP_NAME")]
    pub map_name: String,

    /// A MapLibre style to draw nodes on. Without one the built-in base map is used, which asks
    /// no other host.
    #[arg(long, value_name = "URL", env = "GEOCAST_MAP_STYLE_URL")]
    #[arg(value_parser = values::web_url)]
    pub map_style_url: Option<Url>,

    #[command(flatten)]
    #[expect(missing_docs, reason = "the flags are documented there")]
    pub access: Access,

    #[command(flatten)]
    #[expect(missing_docs, reason = "the flags are documented there")]
    pub retention: Retention,

    #[command(flatten)]
    #[expect(missing_docs, reason = "the flags are documented there")]
    pub limits: Limits,
}

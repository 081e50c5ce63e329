//! What each room is made of, from the settings. `app.rs` says how they are joined.

mod access;
mod clients;
mod database;
mod policy;
mod sources;
mod world;

use std::net::SocketAddr;

pub(crate) use self::{
    access::{access, tls},
    clients::{limits, pulse},
    database::{Beginning, beginning, database, keeper, writer},
    policy::{Onlookers, policy},
    sources::{Source, certificates, intake, listen_to},
    world::world,
};
use crate::{
    config::{self, Map, Secret},
    domain::policy::Policy,
    storage::PostgresLimits,
};

/// What makes a server.
pub(crate) struct Settings {
    pub(crate) listen: SocketAddr,
    pub(crate) database_url: Secret<String>,
    pub(crate) database_limits: PostgresLimits,
    pub(crate) source: Source,
    pub(crate) channel_keys: Vec<Secret<String>>,
    /// Messages received and not committed yet. Beyond it ingest stops reading, and brokers hold
    /// the rest.
    pub(crate) max_pending: usize,
    pub(crate) policy: Policy,
    pub(crate) map: Map,
}

impl Settings {
    pub(crate) fn of(config: config::Serve) -> anyhow::Result<Self> {
        // Each broker keeps one place for its next message.
        let max_pending = (config.max_pending as usize).max(4 * config.mqtt_url.len());
        Ok(Self {
            source: Source::of(&config)?,
            listen: config.listen,
            database_url: config.database.database_url,
            database_limits: PostgresLimits {
                connections: config.database_connections,
                timeout: config.database_timeout,
            },
            channel_keys: config.channel_key,
            max_pending,
            policy: policy(
                &config.policy,
                &config.sources,
                Onlookers::of(config.listen, &config.map),
            )?,
            map: config.map,
        })
    }
}

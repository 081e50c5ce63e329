//! One stage after the other, each alone and in this process.

use std::{hint::black_box, time::Duration};

use aes::Aes128;
use ctr::cipher::{KeyIvInit, StreamCipher};

use super::traffic::Traffic;
use crate::{
    bench::usage::{cpu_of, now_ns},
    domain::{Filed, Report},
    ingest::{ChannelKeys, Decode as _, Decoder},
    storage::Store,
};

/// As many reports as a commit takes in under load.
const COMMIT: usize = 5000;

/// What something took.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cost {
    /// Of all threads, user and system.
    pub(super) cpu: Duration,
    pub(super) wall: Duration,
}

/// Counts what a process spends from now on.
pub(super) struct Meter {
    process: u32,
    cpu: Duration,
    began_ns: u64,
}

impl Meter {
    pub(super) fn of(process: u32) -> anyhow::Result<Self> {
        Ok(Self { process, cpu: cpu_of(process)?.total, began_ns: now_ns() })
    }

    fn here() -> anyhow::Result<Self> {
        Self::of(std::process::id())
    }

    pub(super) fn read(&self) -> anyhow::Result<Cost> {
        let wall = Duration::from_nanos(now_ns() - self.began_ns);
        let cpu = cpu_of(self.process)?.total.saturating_sub(self.cpu);
        Ok(Cost { cpu, wall })
    }
}

/// From bytes to what they say, refused ones left out.
pub(super) fn decode(traffic: &Traffic) -> anyhow::Result<(Cost, Vec<Report>)> {
    let decoder = Decoder::new(ChannelKeys::new([]));
    let mut reports = Vec::with_capacity(traffic.publishes.len());
    let meter = Meter::here()?;
    for publish in &traffic.publishes {
        reports.extend(decoder.decode(&publish.topic, &publish.payload, traffic.arrival(publish)));
    }
    Ok((meter.read()?, reports))
}

/// AES-CTR alone, on as many bytes as the messages have: more than is encrypted of them.
pub(super) fn decrypt(traffic: &Traffic) -> anyhow::Result<Cost> {
    let mut buffer = Vec::new();
    let meter = Meter::here()?;
    for publish in &traffic.publishes {
        buffer.clear();
        buffer.extend_from_slice(&publish.payload);
        let mut cipher = ctr::Ctr128BE::<Aes128>::new(&[7; 16].into(), &[9; 16].into());
        cipher.apply_keystream(&mut buffer);
        black_box(&buffer);
    }
    meter.read()
}

/// What storing took, and how many rows there are since.
pub(super) async fn store(store: &dyn Store, reports: &[Report]) -> anyhow::Result<(Cost, usize)> {
    let mut rows = 0;
    let meter = Meter::here()?;
    for batch in reports.chunks(COMMIT) {
        let batch: Vec<_> = batch.iter().collect();
        for (filed, report) in store.commit(&batch).await?.into_iter().zip(batch) {
            rows += match filed {
                Filed::Packet => 2 + histories(report),
                Filed::Reception => 1,
                Filed::Duplicate => 0,
            };
        }
    }
    Ok((meter.read()?, rows))
}

/// Rows of the histories that a new packet makes.
fn histories(Report { patch, links, .. }: &Report) -> usize {
    let said = [patch.position.is_some(), patch.telemetry.is_some(), patch.message.is_some()];
    said.into_iter().filter(|said| *said).count() + links.len()
}

//! One stage after the other, each alone.

use std::{error::Error, hint::black_box};

use aes::Aes128;
use ctr::cipher::{KeyIvInit, StreamCipher};
use geocast::{
    domain::{Filed, Report},
    ingest::{ChannelKeys, Decode as _, Decoder},
    storage,
};

use crate::{
    PATIENCE,
    cpu::{Cost, Meter},
    traffic::Publish,
};

/// As many reports as a commit takes in under load.
const COMMIT: usize = 1000;

/// From bytes to what they say, refused ones left out.
pub(crate) fn decode(publishes: &[Publish]) -> (Cost, Vec<Report>) {
    let decoder = Decoder::new(ChannelKeys::new([]));
    let mut reports = Vec::with_capacity(publishes.len());
    let meter = Meter::of("self").unwrap();
    for publish in publishes {
        reports.extend(decoder.decode(&publish.topic, &publish.payload, publish.arrived()));
    }
    (meter.read().unwrap(), reports)
}

/// AES-CTR alone, on as many bytes as the messages have: more than is encrypted of them.
pub(crate) fn decrypt(publishes: &[Publish]) -> Cost {
    let mut buffer = Vec::new();
    let meter = Meter::of("self").unwrap();
    for publish in publishes {
        buffer.clear();
        buffer.extend_from_slice(&publish.payload);
        let mut cipher = ctr::Ctr128BE::<Aes128>::new(&[7; 16].into(), &[9; 16].into());
        cipher.apply_keystream(&mut buffer);
        black_box(&buffer);
    }
    meter.read().unwrap()
}

/// Commits everything, and then again, when nothing is new. Also how many rows there are then.
pub(crate) async fn store(
    url: &str,
    reports: &[Report],
) -> Result<(Cost, Cost, usize), Box<dyn Error>> {
    let store = storage::open(url, PATIENCE).await?;
    let mut rows = 0;
    let mut costs = Vec::new();
    for _ in 0..2 {
        let meter = Meter::of("self")?;
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
        costs.push(meter.read()?);
    }
    store.close().await;
    match costs[..] {
        [first, again] => Ok((first, again, rows)),
        _ => Err("two rounds".into()),
    }
}

/// Rows of the histories that a new packet makes.
fn histories(Report { patch, links, .. }: &Report) -> usize {
    let said = [patch.position.is_some(), patch.telemetry.is_some(), patch.message.is_some()];
    said.into_iter().filter(|said| *said).count() + links.len()
}

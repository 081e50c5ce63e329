//! `record`: what a broker says, into a file.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::PathBuf,
    pin::pin,
    time::Duration,
};

use anyhow::{Context as _, bail};
use rumqttc::{
    AckMode, AsyncClient, Event, Incoming, Publish, QoS, SubscribeFilter, SubscribeReasonCode,
    mqttbytes::valid_filter,
};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use tracing::{info, warn};

use super::{
    PATIENCE, Progress, Summary,
    mpk::{MpkError, Writer},
};
use crate::ingest::{
    MqttUrl,
    mqtt::{Backoff, client_options, reason},
};

/// How often what was recorded is handed to the system: what a kill can cost.
const FLUSH: Duration = Duration::from_secs(1);

/// What to record.
#[derive(Clone, Debug)]
pub struct RecordOptions {
    /// The broker.
    pub url: MqttUrl,
    /// Certificates (PEM) to trust in place of the system's.
    pub ca: Option<Vec<u8>>,
    /// Topic filters.
    pub topics: Vec<String>,
    /// Where to. Must not exist yet.
    pub file: PathBuf,
}

/// Records until `stop`. The broker must be there at the beginning; when it goes later, the
/// recording waits for it, and what is said in between is missing.
pub async fn record(
    options: RecordOptions,
    stop: impl Future<Output = ()>,
) -> anyhow::Result<Summary> {
    let RecordOptions { url, ca, topics, file } = options;
    if let Some(topic) = topics.iter().find(|topic| !valid_filter(topic)) {
        bail!("not a topic filter: {topic:?}");
    }
    if topics.is_empty() {
        bail!("no topic to record");
    }
    let name = format!("geocast-record-{}", std::process::id());
    let mut client_options = client_options(&url, &name, ca, PATIENCE)?;
    client_options.set_ack_mode(AckMode::Automatic);
    let (client, mut eventloop) = AsyncClient::builder(client_options).capacity(16).try_build()?;
    eventloop.network_options.set_connection_timeout(PATIENCE.as_secs());

    let mut writer = None;
    let began = Instant::now();
    let mut progress = Progress::new(None);
    let mut backoff = Backoff::new(&name);
    let mut flush = interval(FLUSH);
    flush.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut stop = pin!(stop);
    'recording: loop {
        let event = {
            let mut poll = pin!(eventloop.poll());
            loop {
                tokio::select! {
                    biased;
                    () = &mut stop => break 'recording,
                    _ = flush.tick() => if let Some(writer) = &mut writer {
                        Writer::flush(writer)?;
                    },
                    event = &mut poll => break event,
                }
            }
        };
        match event {
            Ok(Event::Incoming(Incoming::ConnAck(_))) => {
                // At QoS 1, so that the broker passes each message on as it was published.
                let filter = |topic: &String| SubscribeFilter::new(topic.clone(), QoS::AtLeastOnce);
                client.subscribe_many(topics.iter().map(filter)).await?;
            }
            Ok(Event::Incoming(Incoming::SubAck(answer))) => {
                let answers = topics.iter().zip(&answer.return_codes);
                for (topic, code) in answers {
                    if *code == SubscribeReasonCode::Failure {
                        bail!("{url}: the broker refuses the topic {topic:?}");
                    }
                }
                if writer.is_none() {
                    let out = File::create_new(&file)
                        .with_context(|| format!("cannot record to {}", file.display()))?;
                    writer = Some(Writer::new(BufWriter::new(out))?);
                    info!("recording from {url} to {}", file.display());
                }
            }
            Ok(Event::Incoming(Incoming::Publish(publish))) => {
                let Some(writer) = &mut writer else { continue };
                write(writer, &publish, began, &mut progress)
                    .with_context(|| format!("cannot write to {}", file.display()))?;
            }
            Ok(_) => {}
            Err(error) if writer.is_none() => bail!("cannot record from {url}: {}", reason(&error)),
            Err(error) => {
                warn!("{url}: disconnected: {}", reason(&error));
                tokio::select! {
                    () = sleep(backoff.pause()) => {}
                    () = &mut stop => break,
                }
            }
        }
    }
    if let Some(writer) = &mut writer {
        // What was read in one piece with the last message, and acknowledged with it.
        let unread = eventloop.state.events.drain(..).filter_map(|event| match event {
            Event::Incoming(Incoming::Publish(publish)) => Some(publish),
            _ => None,
        });
        for publish in unread {
            write(writer, &publish, began, &mut progress)?;
        }
        writer.flush().with_context(|| format!("cannot write to {}", file.display()))?;
    }
    let remark = writer.is_none().then(|| "stopped before the broker answered".to_owned());
    Ok(progress.summary("recorded", began.elapsed(), remark))
}

fn write(
    writer: &mut Writer<impl Write>,
    publish: &Publish,
    began: Instant,
    progress: &mut Progress,
) -> Result<(), MpkError> {
    let t_ms = u32::try_from(began.elapsed().as_millis()).unwrap_or(u32::MAX);
    writer.write(t_ms, &String::from_utf8_lossy(&publish.topic), &publish.payload)?;
    progress.message(publish.payload.len(), 0);
    Ok(())
}

//! `replay`: what was recorded, to a broker.

use std::{fs::File, io::BufReader, path::PathBuf, pin::pin, time::Duration};

use anyhow::{Context as _, bail};
use rumqttc::{
    AsyncClient, ClientError, Event, EventLoop, Incoming, Outgoing, PublishOptions, QoS,
};
use tokio::{
    sync::oneshot,
    time::{Instant, sleep_until, timeout},
};

use super::{
    PATIENCE, Progress, Summary,
    mpk::{MpkError, Reader},
};
use crate::ingest::{
    MqttUrl,
    mqtt::{client_options, reason},
};

/// Messages that wait for their acknowledgement (QoS 1), and messages that wait to be sent.
const WINDOW: u16 = 1000;

/// How fast to publish.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// As fast as the broker takes it.
    Full,
    /// So many messages per second.
    Rate(f64),
    /// So many times as fast as it was recorded.
    Speed(f64),
}

impl Pace {
    /// When a message is due, counted from the start: the `index`th, recorded at `t_ms` after
    /// the first.
    fn due(self, index: u64, t_ms: u32) -> Option<Duration> {
        let seconds = match self {
            Self::Full => return None,
            // Exact up to 2^53 messages.
            #[expect(clippy::cast_precision_loss, reason = "nobody replays that many")]
            Self::Rate(rate) => index as f64 / rate,
            Self::Speed(speed) => f64::from(t_ms) / 1000.0 / speed,
        };
        Some(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
    }

    fn check(self) -> anyhow::Result<()> {
        match self {
            Self::Rate(pace) | Self::Speed(pace) if !(pace.is_finite() && pace > 0.0) => {
                bail!("the pace must be above zero, not {pace}")
            }
            _ => Ok(()),
        }
    }
}

/// What the broker promises for each message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guarantee {
    /// QoS 0: nothing.
    AtMostOnce,
    /// QoS 1: it acknowledges each.
    AtLeastOnce,
}

/// What to replay.
#[derive(Clone, Debug)]
pub struct ReplayOptions {
    /// The broker.
    pub url: MqttUrl,
    /// Certificates (PEM) to trust in place of the system's.
    pub ca: Option<Vec<u8>>,
    /// The recording.
    pub file: PathBuf,
    /// How fast.
    pub pace: Pace,
    /// How sure.
    pub guarantee: Guarantee,
}

/// Publishes a recording from its beginning to its end, or to `stop`. Succeeds when everything is
/// sent, and at QoS 1 acknowledged. A recording that was cut off is published as far as it goes.
pub async fn replay(
    options: ReplayOptions,
    stop: impl Future<Output = ()>,
) -> anyhow::Result<Summary> {
    let ReplayOptions { url, ca, file, pace, guarantee } = options;
    pace.check()?;
    let input = File::open(&file).with_context(|| format!("cannot open {}", file.display()))?;
    let bytes = input.metadata().map(|meta| meta.len()).ok();
    let mut reader =
        Reader::new(BufReader::new(input)).with_context(|| file.display().to_string())?;

    let name = format!("geocast-replay-{}", std::process::id());
    let mut client_options = client_options(&url, &name, ca, PATIENCE)?;
    client_options.set_inflight(WINDOW).set_max_request_batch(usize::from(WINDOW));
    let (client, mut eventloop) =
        AsyncClient::builder(client_options).capacity(usize::from(WINDOW)).try_build()?;
    eventloop.network_options.set_connection_timeout(PATIENCE.as_secs());
    eventloop.network_options.set_tcp_nodelay(true);

    let mut stop = pin!(stop);
    tokio::select! {
        connected = Box::pin(connect(&mut eventloop)) => {
            connected.with_context(|| format!("cannot publish to {url}"))?;
        }
        () = &mut stop => bail!("stopped before {url} answered"),
    }
    let began = Instant::now();
    let mut progress = Progress::new(bytes);
    let (total_in, total) = oneshot::channel();
    let publishing = async {
        let remark = publish(&client, &mut reader, pace, guarantee, &mut progress).await?;
        // Whoever counts has failed if it is gone, and says so itself.
        let _ = total_in.send(progress.messages);
        anyhow::Ok(remark)
    };
    let network = Box::pin(drive(&mut eventloop, guarantee, total));
    let ended = tokio::select! {
        ended = async { tokio::try_join!(publishing, network) } => Some(ended),
        () = &mut stop => None,
    };
    let remark = match ended {
        Some(Ok((remark, ()))) => remark,
        Some(Err(error)) => {
            let sent = progress.messages;
            progress.bar.finish_and_clear();
            return Err(error.context(format!("{url}: failed after {sent} messages")));
        }
        None => Some("interrupted".to_owned()),
    };
    let elapsed = began.elapsed();
    Box::pin(take_leave(&client, &mut eventloop)).await;
    Ok(progress.summary("published", elapsed, remark))
}

async fn connect(eventloop: &mut EventLoop) -> anyhow::Result<()> {
    loop {
        match eventloop.poll().await {
            Ok(Event::Incoming(Incoming::ConnAck(_))) => return Ok(()),
            Ok(_) => {}
            Err(error) => bail!(reason(&error)),
        }
    }
}

/// Publishes the recording; returns when all is handed to the network, with a remark if the
/// recording is not whole.
async fn publish(
    client: &AsyncClient,
    reader: &mut Reader<BufReader<File>>,
    pace: Pace,
    guarantee: Guarantee,
    progress: &mut Progress,
) -> anyhow::Result<Option<String>> {
    let began = Instant::now();
    let mut first_ms = None;
    let mut remark = None;
    let qos = match guarantee {
        Guarantee::AtMostOnce => QoS::AtMostOnce,
        Guarantee::AtLeastOnce => QoS::AtLeastOnce,
    };
    while let Some(record) = reader.next() {
        let record = match record {
            Ok(record) => record,
            Err(cut_off @ MpkError::Truncated { .. }) => {
                remark = Some(cut_off.to_string());
                break;
            }
            Err(error) => return Err(error.into()),
        };
        let since_first = record.t_ms.saturating_sub(*first_ms.get_or_insert(record.t_ms));
        if let Some(due) = pace.due(progress.messages, since_first) {
            match began.checked_add(due) {
                Some(due) if due > Instant::now() => sleep_until(due).await,
                Some(_) => {}
                None => bail!("the pace is too slow: the next message is due in {due:?}"),
            }
        }
        let payload_bytes = record.payload.len();
        match client.publish(record.topic, record.payload, PublishOptions::new(qos)).await {
            Ok(()) => progress.message(payload_bytes, reader.offset()),
            Err(ClientError::InvalidRequest(_)) => {
                bail!("message {} has a topic that cannot be published to", progress.messages + 1)
            }
            Err(error) => return Err(error.into()),
        }
    }
    progress.show();
    Ok(remark)
}

/// Works the network until as many messages as `total` says are sent, or acknowledged where that
/// is the guarantee.
async fn drive(
    eventloop: &mut EventLoop,
    guarantee: Guarantee,
    mut total: oneshot::Receiver<u64>,
) -> anyhow::Result<()> {
    let mut wanted = None;
    let mut done = 0;
    while wanted != Some(done) {
        let mut poll = pin!(eventloop.poll());
        let event = tokio::select! {
            biased;
            known = &mut total, if wanted.is_none() => {
                wanted = known.ok();
                if wanted == Some(done) {
                    break;
                }
                poll.await
            }
            event = &mut poll => event,
        };
        match event {
            Ok(Event::Outgoing(Outgoing::Publish(_))) if guarantee == Guarantee::AtMostOnce => {
                done += 1;
            }
            Ok(Event::Incoming(Incoming::PubAck(_))) => done += 1,
            Ok(_) => {}
            Err(error) => bail!(reason(&error)),
        }
    }
    Ok(())
}

/// Ends the connection in order. Everything is said, so it does not matter how that goes.
async fn take_leave(client: &AsyncClient, eventloop: &mut EventLoop) {
    if client.try_disconnect_now().is_ok() {
        let left = async {
            while !matches!(
                eventloop.poll().await,
                Ok(Event::Outgoing(Outgoing::Disconnect)) | Err(_)
            ) {}
        };
        drop(timeout(PATIENCE, left).await);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pace_says_when_each_message_is_due() {
        assert_eq!(Pace::Full.due(10, 10_000), None);
        assert_eq!(Pace::Rate(4.0).due(10, 10_000), Some(Duration::from_millis(2500)));
        assert_eq!(Pace::Speed(4.0).due(10, 10_000), Some(Duration::from_millis(2500)));
        assert_eq!(Pace::Speed(1e-300).due(10, 10_000), Some(Duration::MAX));
    }

    #[test]
    fn a_pace_that_goes_nowhere_is_refused() {
        for pace in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(Pace::Rate(pace).check().is_err());
            assert!(Pace::Speed(pace).check().is_err());
        }
    }
}

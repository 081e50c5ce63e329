//! The demo against the smallest broker that answers it.

use std::{collections::HashSet, time::Duration};

use meshtastic::protobufs::ServiceEnvelope;
use prost::Message;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{DemoSettings, run};
use crate::domain::{Clock, Timestamp};

const NODES: usize = 30;
const DEADLINE: Duration = Duration::from_secs(30);

/// Reads one MQTT packet: its first byte and its body.
async fn read_packet(stream: &mut BufReader<TcpStream>) -> std::io::Result<(u8, Vec<u8>)> {
    let first = stream.read_u8().await?;
    let (mut length, mut shift) = (0_usize, 0);
    loop {
        let byte = stream.read_u8().await?;
        length |= usize::from(byte & 0x7f) << shift;
        shift += 7;
        if byte < 0x80 {
            break;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok((first, body))
}

/// Answers one connection until it ends, `hung_up` or the limit is reached, and hands on what is
/// published.
async fn serve(
    stream: TcpStream,
    heard: mpsc::Sender<(String, Vec<u8>)>,
    hung_up: CancellationToken,
) {
    let mut stream = BufReader::new(stream);
    let answer = async {
        loop {
            let (first, body) = read_packet(&mut stream).await?;
            match first >> 4 {
                1 => stream.write_all(&[0x20, 2, 0, 0]).await?,
                3 => {
                    assert_eq!(first >> 1 & 3, 1, "published with QoS 1");
                    let end = 2 + usize::from(u16::from_be_bytes([body[0], body[1]]));
                    stream.write_all(&[0x40, 2, body[end], body[end + 1]]).await?;
                    let topic = String::from_utf8_lossy(&body[2..end]).into_owned();
                    if heard.send((topic, body[end + 2..].to_vec())).await.is_err() {
                        return Ok::<(), std::io::Error>(());
                    }
                }
                _ => {}
            }
        }
    };
    hung_up.run_until_cancelled(answer).await;
}

/// Accepts connections on `listener` until `closed`.
async fn broker(
    listener: &TcpListener,
    heard: mpsc::Sender<(String, Vec<u8>)>,
    closed: CancellationToken,
) {
    let tasks = TaskTracker::new();
    while let Some(accepted) = closed.run_until_cancelled(listener.accept()).await {
        let (stream, _) = accepted.unwrap();
        tasks.spawn(serve(stream, heard.clone(), closed.clone()));
    }
    tasks.close();
    tasks.wait().await;
}

/// Collects who was heard until `NODES` nodes were.
async fn everybody(heard: &mut mpsc::Receiver<(String, Vec<u8>)>) -> HashSet<u32> {
    let mut senders = HashSet::new();
    while senders.len() < NODES {
        let (topic, payload) = heard.recv().await.expect("the broker listens");
        let envelope = ServiceEnvelope::decode(payload.as_slice()).unwrap();
        let gateway = topic.strip_prefix("msh/EU_868/2/e/LongFast/");
        assert!(topic == "msh/EU_868/2/map/" || gateway == Some(envelope.gateway_id.as_str()));
        senders.insert(envelope.packet.unwrap().from);
    }
    senders
}

fn can_be_spawned(_: &(impl Future<Output = anyhow::Result<()>> + Send)) {}

#[tokio::test]
async fn everybody_speaks_and_a_broker_that_goes_away_is_found_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let settings = DemoSettings { broker: listener.local_addr().unwrap(), nodes: NODES, seed: 1 };
    let clock = Clock::new({
        let start = std::time::Instant::now();
        move || Timestamp::from_seconds(1_795_176_000).plus(start.elapsed())
    });
    let stop = CancellationToken::new();
    let (sender, mut heard) = mpsc::channel(64);
    let story = async {
        let closed = CancellationToken::new();
        let first = async {
            let senders = everybody(&mut heard).await;
            closed.cancel();
            senders
        };
        let (senders, ()) = tokio::join!(first, async {
            let serving = broker(&listener, sender.clone(), closed.clone());
            serving.await;
        });
        assert_eq!(senders.len(), NODES);
        while heard.try_recv().is_ok() {}
        let closed = CancellationToken::new();
        let again = async {
            heard.recv().await.expect("the demo came back");
            heard.close();
            stop.cancel();
            closed.cancel();
        };
        tokio::join!(again, broker(&listener, sender.clone(), closed.clone()));
    };
    let demo = run(settings, clock, stop.clone());
    can_be_spawned(&demo);
    let (result, ()) = timeout(DEADLINE, async { tokio::join!(demo, story) }).await.unwrap();
    result.unwrap();
}

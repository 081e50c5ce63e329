//! The broker that geocast is itself, and its clients: mosquitto's tools, and one that shows
//! which answers come when.

use std::{net::SocketAddr, process::Stdio};

use geocast::{
    ingest::{Broker, BrokerError, Intake},
    storage::Job,
};
use rumqttc::{AsyncClient, Event, EventLoop, Incoming, MqttOptions, PublishOptions, QoS};
use tokio::{sync::mpsc, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{
    harness::{intake, settle, soon, text},
    mosquitto::{publish, tool},
};

/// A broker under way, and the end of the queue where storage would be.
struct Embedded {
    address: SocketAddr,
    jobs: mpsc::Receiver<Job>,
    intake: Intake,
    stop: CancellationToken,
    running: JoinSet<Result<(), BrokerError>>,
}

impl Embedded {
    async fn start(jobs: usize) -> Self {
        let intake = intake();
        let (jobs_in, jobs) = mpsc::channel(jobs);
        let free = "127.0.0.1:0".parse().unwrap();
        let broker = Broker::bind(free, intake.clone(), jobs_in).await.unwrap();
        let address = broker.local_addr();
        let stop = CancellationToken::new();
        let mut running = JoinSet::new();
        running.spawn(broker.run(stop.clone()));
        Self { address, jobs, intake, stop, running }
    }

    async fn job(&mut self) -> Job {
        soon("a job", self.jobs.recv()).await.unwrap()
    }

    async fn stopped(&mut self) {
        soon("stopped", self.running.join_next()).await.unwrap().unwrap().unwrap();
    }
}

/// A client of which every packet can be seen.
struct Gateway {
    client: AsyncClient,
    network: EventLoop,
}

impl Gateway {
    async fn connect(address: SocketAddr, name: &str) -> Self {
        let options = MqttOptions::new(name, (address.ip().to_string(), address.port()));
        let (client, network) = AsyncClient::builder(options).capacity(100).build();
        let mut gateway = Self { client, network };
        assert!(matches!(gateway.hears().await, Incoming::ConnAck(_)));
        gateway
    }

    /// The next packet of the broker's.
    async fn hears(&mut self) -> Incoming {
        soon("a packet", async {
            loop {
                let event = match self.network.poll().await {
                    Ok(event) => event,
                    // What came before the end is still there.
                    Err(lost) => match self.network.state.events.pop_front() {
                        Some(event) => event,
                        None => panic!("{lost}"),
                    },
                };
                if let Event::Incoming(packet) = event {
                    return packet;
                }
            }
        })
        .await
    }

    async fn publish(&self, qos: QoS, payload: &str) {
        let options = PublishOptions::new(qos);
        self.client.publish("t", payload.as_bytes().to_vec(), options).await.unwrap();
    }

    /// Sends what waits until something else is done, and hears nothing meanwhile.
    async fn until<T>(&mut self, done: impl Future<Output = T>) -> T {
        let sending = async {
            loop {
                let event = self.network.poll().await.unwrap();
                assert!(!matches!(event, Event::Incoming(_)), "answered with {event:?}");
            }
        };
        soon("done", async {
            tokio::select! {
                done = done => done,
                () = sending => unreachable!("it sends for ever"),
            }
        })
        .await
    }
}

#[tokio::test]
async fn a_publisher_is_answered_when_its_message_is_on_disk_and_not_before() {
    let mut broker = Embedded::start(100).await;
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let mut gateway = Gateway::connect(broker.address, "!a1b2c3d4").await;
        gateway.publish(qos, "1").await;
        let job = gateway.until(broker.job()).await;
        assert_eq!(text(&job).unwrap(), "1");
        // While another client goes through a conversation, no answer comes.
        let passing = Box::pin(async {
            let mut other = Gateway::connect(broker.address, "other").await;
            other.client.subscribe("x", QoS::AtMostOnce).await.unwrap();
            assert!(matches!(other.hears().await, Incoming::SubAck(_)));
        });
        gateway.until(passing).await;
        settle(job);
        match gateway.hears().await {
            Incoming::PubAck(_) => assert_eq!(qos, QoS::AtLeastOnce),
            Incoming::PubRec(_) => assert_eq!(qos, QoS::ExactlyOnce),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_message_that_could_not_be_stored_is_not_answered() {
    let mut broker = Embedded::start(100).await;
    let mut gateway = Gateway::connect(broker.address, "gateway").await;
    gateway.publish(QoS::AtLeastOnce, "1").await;
    let job = gateway.until(broker.job()).await;
    drop(job);
    gateway.publish(QoS::AtLeastOnce, "2").await;
    let job = gateway.until(broker.job()).await;
    settle(job);
    assert!(matches!(gateway.hears().await, Incoming::PubAck(ack) if ack.pkid == 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn at_qos_0_nobody_waits_for_the_commit_and_the_order_is_kept() {
    let mut broker = Embedded::start(100).await;
    let lines: Vec<_> = (0..50).map(|number| number.to_string()).collect();
    publish(broker.address.port(), "t", 0, &lines.join("\n"), &["-l"]);
    let mut texts = Vec::new();
    for _ in 0..50 {
        texts.extend(text(&broker.job().await));
    }
    assert_eq!(texts, lines);
    assert_eq!(broker.intake.metrics().packets_received(), 50);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn other_tools_may_listen_and_nothing_is_retained() {
    let Embedded { address, mut jobs, running, .. } = Embedded::start(100).await;
    let port = address.port();
    let storing = std::thread::spawn(move || {
        while let Some(job) = jobs.blocking_recv() {
            settle(job);
        }
    });
    for (text, arguments) in [("one", &["-s", "-r"][..]), ("two", &["-s"])] {
        let mut listening = tool("mosquitto_sub", "mosquitto-clients")
            .args(["-h", "127.0.0.1", "-p", &port.to_string(), "-q", "1", "-t", "#"])
            .args(["-v", "-C", "1", "-W", "10"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // It does not say when it is subscribed: say it until it has heard.
        while listening.try_wait().unwrap().is_none() {
            publish(port, "msh/t", 1, text, arguments);
        }
        let heard = listening.wait_with_output().unwrap();
        assert_eq!(String::from_utf8_lossy(&heard.stdout), format!("msh/t {text}\n"));
    }
    drop(running);
    storing.join().unwrap();
}

#[tokio::test]
async fn a_stop_answers_what_is_under_way_and_takes_no_more() {
    let mut broker = Embedded::start(1).await;
    let mut first = Gateway::connect(broker.address, "first").await;
    let mut second = Gateway::connect(broker.address, "second").await;
    let mut third = Gateway::connect(broker.address, "third").await;
    first.publish(QoS::AtLeastOnce, "1").await;
    let job = first.until(broker.job()).await;
    // One fills the queue, one waits for room in it.
    second.publish(QoS::AtLeastOnce, "2").await;
    let full = async {
        while broker.jobs.is_empty() {
            tokio::task::yield_now().await;
        }
    };
    second.until(full).await;
    third.publish(QoS::AtLeastOnce, "3").await;
    third.publish(QoS::AtMostOnce, "4").await;
    let sent = Box::pin(async {
        let mut other = Gateway::connect(broker.address, "other").await;
        other.client.subscribe("x", QoS::AtMostOnce).await.unwrap();
        assert!(matches!(other.hears().await, Incoming::SubAck(_)));
    });
    third.until(sent).await;

    broker.stop.cancel();
    settle(job);
    let queued = broker.job().await;
    assert_eq!(text(&queued).unwrap(), "2");
    settle(queued);
    assert!(soon("the end", broker.jobs.recv()).await.is_none());
    broker.stopped().await;
    assert!(matches!(first.hears().await, Incoming::PubAck(_)));
    assert!(matches!(second.hears().await, Incoming::PubAck(_)));
    let lost = soon("closed", async {
        loop {
            match third.network.poll().await {
                Ok(Event::Incoming(packet)) => panic!("answered with {packet:?}"),
                Ok(_) => {}
                Err(lost) => return lost,
            }
        }
    });
    lost.await;
}

#[tokio::test]
async fn a_port_in_use_is_one_clear_line() {
    let broker = Embedded::start(1).await;
    let (jobs, _queue) = mpsc::channel(1);
    let Err(taken) = Broker::bind(broker.address, intake(), jobs).await else {
        panic!("two brokers on one port");
    };
    let line = taken.to_string();
    assert!(line.contains(&broker.address.to_string()) && line.contains("in use"), "{line}");
    assert_eq!(line.lines().count(), 1);
}

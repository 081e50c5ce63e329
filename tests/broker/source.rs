//! The MQTT client against mosquitto: what it acknowledges, loses and says.

use std::{net::TcpListener, time::Duration};

use geocast::{
    ingest::{ConnectionState, MqttSettings, MqttUrl, Refusal},
    storage::Job,
};

use crate::{
    harness::{CLIENT, Listener, Log, NOW, settle, soon, text},
    mosquitto::{Mosquitto, tool},
};

/// How mosquitto logs an acknowledgement of the listener's.
fn puback() -> String {
    format!("Received PUBACK from {CLIENT}")
}

#[tokio::test]
async fn only_settled_messages_are_acknowledged_and_the_others_come_again() {
    let broker = Mosquitto::start();
    let mut listener = Listener::start(&broker.url(), 100);
    listener.connected().await;
    broker.publish("t", 1, &["1", "2", "3", "4", "5"]);
    for (index, job) in listener.jobs(5).await.into_iter().enumerate() {
        if index < 2 {
            settle(job);
        }
    }
    broker.logged(&puback(), 2).await;
    listener.kill().await;
    assert_eq!(broker.count(&puback()), 2);

    let mut listener = Listener::start(&broker.url(), 100);
    assert_eq!(listener.texts(3).await, ["3", "4", "5"]);
    broker.publish("t", 1, &["6"]);
    assert_eq!(listener.texts(1).await, ["6"]);
    broker.logged(&puback(), 6).await;
}

#[tokio::test]
async fn a_refused_message_is_acknowledged_and_counted() {
    let broker = Mosquitto::start();
    let mut listener = Listener::start(&broker.url(), 100);
    listener.connected().await;
    broker.publish("t", 1, &["bad 1", "2"]);
    assert_eq!(listener.texts(2).await, ["2"]);
    broker.logged(&puback(), 2).await;
    assert_eq!(listener.intake.metrics().packets_received(), 2);
    assert_eq!(listener.intake.metrics().packets_refused(Refusal::Malformed), 1);
}

#[tokio::test]
async fn a_restart_of_the_broker_loses_nothing_and_no_old_acknowledgement_is_sent() {
    let mut broker = Mosquitto::start();
    let mut listener = Listener::start(&broker.url(), 100);
    listener.connected().await;
    broker.publish("t", 1, &["1", "2", "3"]);
    let of_the_old_connection = listener.jobs(3).await;

    broker.stop();
    listener.down().await;
    broker.start_again();
    listener.connected().await;
    of_the_old_connection.into_iter().for_each(settle);
    assert_eq!(listener.texts(3).await, ["1", "2", "3"]);
    broker.publish("t", 1, &["4"]);
    assert_eq!(listener.texts(1).await, ["4"]);
    broker.logged(&puback(), 4).await;
    listener.stop.cancel();
    listener.stopped().await;
    // One for each message, and no connection lost over an unexpected one.
    assert_eq!(broker.count(&puback()), 4);
    assert_eq!(broker.count(&format!("as {CLIENT} ")), 2);
}

#[tokio::test]
async fn a_broker_that_forgot_the_session_is_subscribed_to_again() {
    let (log, _guard) = Log::open();
    let mut broker = Mosquitto::start();
    let mut listener = Listener::start(&broker.url(), 100);
    listener.connected().await;
    broker.publish("t", 1, &["1"]);
    let lost = listener.job().await;

    broker.stop();
    listener.down().await;
    broker.forget();
    broker.start_again();
    listener.connected().await;
    assert_eq!(log.text().matches("did not keep the session").count(), 1, "{}", log.text());
    broker.publish("t", 1, &["2"]);
    let next = listener.job().await;
    assert_eq!(text(&next).unwrap(), "2");
    // Both had number 1 in their connections: the one that is settled is not the other.
    settle(lost);
    drop(next);
    listener.stop.cancel();
    listener.stopped().await;
    broker.logged(&format!("Received DISCONNECT from {CLIENT}"), 1).await;
    assert_eq!(broker.count(&puback()), 0);
    let mut listener = Listener::start(&broker.url(), 100);
    assert_eq!(listener.texts(1).await, ["2"]);
}

#[tokio::test]
async fn what_comes_again_says_since_when_it_may_have_come_before() {
    let mut broker = Mosquitto::start();
    let mut listener = Listener::start(&broker.url(), 100);
    listener.connected().await;
    broker.publish("t", 1, &["1", "2"]);
    let since = |job: &Job| job.report.as_ref().unwrap().reception.redelivered_since;
    let first = listener.jobs(2).await;
    assert_eq!(first.iter().filter_map(since).count(), 0);
    broker.stop();
    listener.down().await;
    broker.start_again();
    listener.connected().await;
    broker.publish("t", 1, &["3"]);
    let again = listener.jobs(3).await;
    assert_eq!(again.iter().filter_map(text).collect::<Vec<_>>(), ["1", "2", "3"]);
    assert_eq!(again.iter().map(since).collect::<Vec<_>>(), [Some(NOW), Some(NOW), None]);
}

#[tokio::test]
async fn a_shared_subscription_is_told_apart_from_one_alone() {
    let broker = Mosquitto::start();
    let url = MqttUrl::parse(&broker.url()).unwrap();
    let with = |topic: &str, client: &str| {
        MqttSettings::new(url.clone(), vec![topic.to_owned()], client.to_owned())
    };
    // Has everything at first, and its broker remembers that.
    let mut first = Listener::with(with("t/#", "first"), 100);
    first.connected().await;
    first.stop.cancel();
    first.stopped().await;
    let mut first = Listener::with(with("$share/maps/t/#", "first"), 100);
    first.connected().await;
    broker.logged("Received UNSUBSCRIBE from first", 1).await;
    let mut second = Listener::with(with("$share/maps/t/#", "second"), 100);
    second.connected().await;
    let lines: Vec<_> = (0..40).map(|number| number.to_string()).collect();
    broker.publish("t/1", 1, &lines.iter().map(String::as_str).collect::<Vec<_>>());
    let mut texts = Vec::new();
    while texts.len() < 40 {
        let job = tokio::select! {
            job = first.job() => job,
            job = second.job() => job,
        };
        texts.extend(text(&job));
        settle(job);
    }
    texts.sort_by_key(|text| text.parse::<u32>().unwrap());
    assert_eq!(texts, lines, "each message comes to one of them");
    for listener in [first, second] {
        assert!(listener.intake.metrics().packets_received() > 0);
        assert_eq!(listener.intake.metrics().packets_refused(Refusal::UnknownTopic), 0);
    }
}

#[tokio::test]
async fn a_wrong_password_is_a_clear_state_and_in_no_log() {
    let config = "allow_anonymous false\npassword_file DIR/users";
    let broker = Mosquitto::prepared(config, |dir| {
        let mut passwd = tool("mosquitto_passwd", "mosquitto");
        let users = dir.join("users");
        assert!(
            passwd
                .args(["-b", "-c"])
                .arg(users)
                .args(["map", "right@1"])
                .status()
                .unwrap()
                .success()
        );
    });
    let (log, _guard) = Log::open();
    let port = broker.port();

    let mut wrong = Listener::start(&format!("mqtt://map:wr0ng%40pass@127.0.0.1:{port}"), 100);
    assert_eq!(wrong.down().await, "the broker refuses the user name or password");
    wrong.stop.cancel();
    wrong.stopped().await;
    let mut right = Listener::start(&format!("mqtt://map:right%401@127.0.0.1:{port}"), 100);
    right.connected().await;
    right.stop.cancel();
    right.stopped().await;

    let log = log.text();
    assert_eq!(log.matches("disconnected: the broker refuses").count(), 1, "{log}");
    assert_eq!(log.matches(": connected").count(), 1, "{log}");
    for secret in ["wr0ng", "right@1", "right%401"] {
        assert!(!log.contains(secret), "{log}");
    }
}

#[tokio::test]
async fn large_messages_poison_nothing() {
    let broker = Mosquitto::start();
    let mut listener = Listener::start(&broker.url(), 100);
    listener.connected().await;
    broker.publish_bytes("t", 1, &"x".repeat(20_000));
    assert_eq!(listener.texts(1).await[0].len(), 20_000);

    // Above the limit: not read, however often the broker brings it, and rid of in the end.
    broker.publish_bytes("t", 1, &"x".repeat(300_000));
    assert_eq!(listener.down().await, "the broker sent a packet that is too large");
    broker.logged(&format!("as {CLIENT} (p2, c1"), 1).await;
    listener.connected().await;
    broker.publish("t", 1, &["next"]);
    assert_eq!(listener.texts(1).await, ["next"]);
}

#[tokio::test]
async fn a_full_job_queue_stops_the_reading_and_loses_nothing() {
    let broker = Mosquitto::start();
    let mut listener = Listener::start(&broker.url(), 2);
    listener.connected().await;
    let lines: Vec<_> = (0..200).map(|number| number.to_string()).collect();
    let lines: Vec<_> = lines.iter().map(String::as_str).collect();
    broker.publish("t", 1, &lines);
    // As many as the broker sends ahead of their acknowledgements.
    broker.logged(&format!("Sending PUBLISH to {CLIENT}"), 20).await;
    let mut texts = Vec::new();
    for index in 0..200 {
        assert!(listener.intake.metrics().packets_received() <= index + 2);
        texts.extend(listener.texts(1).await);
    }
    assert_eq!(texts, lines);
    broker.logged(&puback(), 200).await;
}

#[tokio::test]
async fn a_stop_waits_for_what_is_under_way_and_acknowledges_it() {
    let broker = Mosquitto::start();
    let mut listener = Listener::start(&broker.url(), 100);
    listener.connected().await;
    broker.publish("t", 1, &["1", "2", "3"]);
    let jobs = listener.jobs(3).await;
    listener.stop.cancel();
    // The end of the queue: nothing more is read.
    assert!(soon("the end", listener.jobs.recv()).await.is_none());
    broker.publish("t", 1, &["4"]);
    broker.logged(&format!("Sending PUBLISH to {CLIENT}"), 4).await;
    assert!(!listener.has_stopped());
    jobs.into_iter().for_each(settle);
    listener.stopped().await;
    let disconnect = format!("Received DISCONNECT from {CLIENT}");
    let log = broker.logged(&disconnect, 1).await;
    let place = |text: &str| log.iter().rposition(|line| line.contains(text)).unwrap();
    assert_eq!(broker.count(&puback()), 3);
    assert!(place(&puback()) < place(&disconnect));
    assert_eq!(*listener.state.borrow(), ConnectionState::Down { reason: "stopped".to_owned() });

    let mut listener = Listener::start(&broker.url(), 100);
    assert_eq!(listener.texts(1).await, ["4"]);
}

#[tokio::test]
async fn a_stop_does_not_wait_for_jobs_that_nobody_will_settle() {
    let broker = Mosquitto::start();
    let mut listener = Listener::start(&broker.url(), 100);
    listener.connected().await;
    broker.publish("t", 1, &["1"]);
    drop(listener.job().await);
    listener.jobs.close();
    listener.stop.cancel();
    listener.stopped().await;
    assert_eq!(broker.count(&puback()), 0);
}

#[tokio::test]
async fn a_stop_ends_the_pause_between_two_attempts() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (log, _guard) = Log::open();
    let mut listener = Listener::start(&format!("mqtt://{closed}"), 100);
    assert!(listener.down().await.contains("refused"));
    listener.stop.cancel();
    listener.stopped().await;
    assert_eq!(log.text().matches("disconnected").count(), 1, "{}", log.text());
}

#[tokio::test]
async fn a_broker_that_accepts_and_says_nothing_is_given_up() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = MqttUrl::plain("127.0.0.1", silent.local_addr().unwrap().port());
    let mut settings = MqttSettings::new(url, vec!["#".to_owned()], CLIENT.to_owned());
    settings.patience = Duration::from_secs(1);
    let mut listener = Listener::with(settings, 100);
    assert_eq!(listener.down().await, "the broker does not answer");
}

#[tokio::test]
async fn an_encrypted_connection_trusts_the_authority_it_is_told_to() {
    let tls = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/tls");
    let broker = Mosquitto::with(&format!(
        "allow_anonymous true\ncertfile {tls}/server.pem\nkeyfile {tls}/server.key"
    ));
    let url = MqttUrl::parse(&format!("mqtts://localhost:{}", broker.port())).unwrap();
    let mut settings = MqttSettings::new(url, vec!["#".to_owned()], CLIENT.to_owned());
    let mut stranger = Listener::with(settings.clone(), 100);
    assert!(stranger.down().await.contains("certificate"), "{}", stranger.down().await);
    stranger.kill().await;
    settings.ca = Some(std::fs::read(format!("{tls}/ca.pem")).unwrap());
    Listener::with(settings, 100).connected().await;
}

//! What the intake counts, and what it shows.

use geocast::{
    domain::Filed,
    ingest::Refusal,
    storage::{Job, Outcome},
};
use prometheus_client::{encoding::text, registry::Registry};

use crate::harness::{Log, intake};

/// Settles a job as storage would that stored it, or had it already.
fn settle(job: Job, filed: Filed) -> bool {
    let stored = job.report.is_some();
    (job.settle)(if stored { Outcome::Filed(filed) } else { Outcome::Refused });
    stored
}

#[test]
fn what_was_received_is_stored_or_refused_for_a_reason() {
    let intake = intake();
    let mut stored = 0;
    for (payload, filed) in [
        ("a", Filed::Packet),
        ("b", Filed::Reception),
        ("a", Filed::Duplicate),
        ("bad", Filed::Packet),
        ("bad", Filed::Packet),
    ] {
        let job = intake.job("msh/test", payload.as_bytes(), || {});
        stored += u64::from(settle(job, filed) && filed != Filed::Duplicate);
    }
    let metrics = intake.metrics();
    assert_eq!(metrics.packets_refused(Refusal::Malformed), 2);
    assert_eq!(metrics.packets_refused(Refusal::Duplicate), 1);
    let refused: u64 = Refusal::ALL.iter().map(|reason| metrics.packets_refused(*reason)).sum();
    assert_eq!(metrics.packets_received(), stored + refused);
}

#[test]
fn every_reason_is_shown_before_it_occurs() {
    let mut registry = Registry::with_prefix("geocast");
    intake().metrics().register(&mut registry);
    let mut page = String::new();
    text::encode(&mut page, &registry).unwrap();
    for refusal in Refusal::ALL {
        let line = format!("geocast_packets_refused_total{{reason=\"{}\"}} 0", refusal.reason());
        assert!(page.contains(&line), "{page}");
    }
    assert!(page.contains("geocast_packets_received_total 0"), "{page}");
}

#[test]
fn a_refused_message_costs_one_debug_line_and_waits_to_be_acknowledged() {
    let (log, _guard) = Log::open();
    let (acknowledge, acknowledged) = std::sync::mpsc::channel();
    let job = intake().job("msh/\u{1b}[31m", b"bad \xff", move || acknowledge.send(()).unwrap());
    let lines = log.text();
    assert_eq!(lines.lines().count(), 1, "{lines}");
    assert!(lines.contains("DEBUG") && lines.contains("malformed"), "{lines}");
    assert!(!lines.contains('\u{1b}'), "{lines}");
    assert!(acknowledged.try_recv().is_err());
    settle(job, Filed::Packet);
    assert!(acknowledged.try_recv().is_ok());
}

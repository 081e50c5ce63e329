//! What is stored, and how it is asked for.

use std::{sync::Arc, time::Duration};

use geocast::{
    domain::{
        Filed, Info, Link, LinkObservation, LinkSource, Links, Message, Metric, Network, Node,
        NodeId, Packet, PacketKey, Patch, Place, Position, Readings, Reception, Report, Section,
        Stamp, Terms, Timestamp, Waypoint,
    },
    storage::{HistoryQuery, Page, Store},
};

pub(crate) const NOON: Timestamp = Timestamp::from_millis(1_790_000_000_000);
pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const ANYTIME: Timestamp = Timestamp::from_millis(i64::MIN);

pub(crate) fn after(seconds: u64) -> Timestamp {
    NOON.plus(Duration::from_secs(seconds))
}

/// A packet that says only that its sender was heard.
pub(crate) fn report(sender: u32, id: u64, gateway: u32, arrived: Timestamp) -> Report {
    let sender = NodeId::Radio(sender);
    Report {
        packet: Packet {
            key: PacketKey { network: Network::Meshtastic, sender: sender.clone(), id },
            port: 3,
            channel: Some("LongFast".into()),
            to: None,
            payload: vec![0, 1, 2, 255],
        },
        reception: Reception {
            gateway: NodeId::Radio(gateway),
            arrived,
            redelivered_since: None,
            snr_db: Some(-7.25),
            rssi_dbm: Some(-101),
            hop_start: Some(7),
            hop_limit: Some(5),
        },
        patch: Patch::heard(sender, Network::Meshtastic, arrived),
        links: Vec::new(),
        terms: Terms::default(),
    }
}

pub(crate) fn position(latitude_e7: i32, stamp: Stamp) -> Position {
    Position {
        place: Place::from_e7(latitude_e7, -740_000_000).unwrap(),
        altitude_m: Some(-3),
        ground_speed_kmh: Some(1.1),
        ground_track_deg: Some(359.9),
        sats_in_view: Some(9),
        precision_bits: Some(32),
        stamp,
    }
}

/// A packet with a position at that source time, by the node's own clock.
pub(crate) fn at(
    sender: u32,
    id: u64,
    arrived: Timestamp,
    latitude_e7: i32,
    time: Timestamp,
) -> Report {
    let mut report = report(sender, id, 1, arrived);
    report.patch.position = Some(position(latitude_e7, Stamp::dated(time, arrived)));
    report
}

pub(crate) fn message(sender: u32, id: u64, arrived: Timestamp, text: &str) -> Report {
    let mut report = report(sender, id, 1, arrived);
    report.patch.message = Some(Arc::new(Message {
        network: Network::Meshtastic,
        packet_id: id,
        from: NodeId::Radio(sender),
        channel: None,
        text: text.into(),
        time: arrived,
        waypoint: None,
    }));
    report
}

/// A packet that says everything at once.
pub(crate) fn full(sender: u32, id: u64, arrived: Timestamp) -> Report {
    let mut report = report(sender, id, 1, arrived);
    let stamp = Stamp::dated(arrived.minus(SECOND), arrived);
    let neighbour = |id, snr_db| Link { id: NodeId::Radio(id), snr_db };
    let observed = |from, snr_db, source| LinkObservation {
        from: NodeId::Radio(from),
        to: NodeId::Radio(sender),
        snr_db,
        source,
    };
    report.packet.to = Some(NodeId::Radio(0xffff_ffff));
    report.patch.info = Info {
        short_name: Some("🦀".into()),
        long_name: Some("<b>Ferris</b> & 'friends'\n".into()),
        hw_model: Some("HELTEC_V3".into()),
        role: Some("ROUTER".into()),
        firmware: None,
        channel: Some("".into()),
    };
    report.patch.position = Some(position(-899_999_999, stamp));
    report.patch.telemetry = Some(Readings {
        stamp,
        section: Section::Device,
        values: vec![
            (Metric::Voltage, f64::from(4.12_f32)),
            (Metric::BatteryLevel, 71.0),
            (Metric::AirUtilTx, 0.1 + 0.2),
            (Metric::UptimeSeconds, 4_294_967_295.0),
        ],
    });
    let neighbours = vec![neighbour(7, Some(-6.5)), neighbour(8, None)];
    report.patch.links = Some(Arc::new(Links { stamp, neighbours }));
    report.links = vec![
        observed(7, Some(-6.5), LinkSource::NeighbourInfo),
        observed(8, None, LinkSource::Traceroute),
    ];
    report.patch.message = Some(Arc::new(Message {
        network: Network::Meshtastic,
        packet_id: id,
        from: NodeId::Radio(sender),
        channel: Some("LongFast".into()),
        text: "Camp".into(),
        time: arrived,
        waypoint: Some(Waypoint {
            id: u32::MAX,
            place: Place::from_e7(1, -1_800_000_000).unwrap(),
            description: "".into(),
            icon: Some(0x1f3d5),
            expires: Some(after(9_999)),
        }),
    }));
    report
}

pub(crate) async fn commit(store: &Arc<dyn Store>, reports: &[Report]) -> Vec<Filed> {
    store.commit(&reports.iter().collect::<Vec<_>>()).await.unwrap()
}

pub(crate) async fn nodes(store: &Arc<dyn Store>) -> Vec<Node> {
    store.load(ANYTIME, 0).await.unwrap().nodes
}

pub(crate) fn all() -> HistoryQuery {
    HistoryQuery { node: None, from: None, to: None, limit: 10_000, cursor: None }
}

pub(crate) fn of(sender: u32) -> HistoryQuery {
    HistoryQuery { node: Some(NodeId::Radio(sender)), ..all() }
}

/// Latitudes of the positions on a page.
pub(crate) fn latitudes(page: &Page<Position>) -> Vec<i32> {
    page.records.iter().map(|position| position.place.latitude_e7()).collect()
}

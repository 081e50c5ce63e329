//! The same deliveries in both encodings, written down for the client library: its tests read the
//! binary frames and compare them with what JSON says.

use std::{fmt::Write as _, sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::time::Instant;

use super::{head, lead, part_in_columns};
use crate::{
    broadcast::{Content, Delivery, Encoder as _, Encoding, Excerpt, Picture, View},
    domain::{
        CellCount, Filter, Gone, Info, Lifetimes, Link, Links, Message, MessageTypes, Metric,
        Missed, Network, NodeId, Patch, Place, Position, Readings, Revision, Section, Sight, Stamp,
        Tile, Timestamp, Waypoint, World, Zoom,
    },
    http::{
        frames::{Frames, Part, TickEncoder, encode},
        json,
        protocol::{ErrorCode, ServerMessage},
        session::NodeForm,
    },
};

const EPOCH: &str = "pairs";
const NOW: Timestamp = Timestamp::from_seconds(1_795_239_750);
const LONG: Duration = Duration::from_hours(1000);

/// A patch of a node, so many seconds later.
fn patch(node: u32, seconds: u64) -> Patch {
    let heard = NOW.plus(Duration::from_secs(seconds));
    Patch::heard(NodeId::Radio(node), Network::Meshtastic, heard)
}

fn at(seconds: u64, (latitude, longitude): (i32, i32)) -> Position {
    Position {
        place: Place::from_e7(latitude, longitude).unwrap(),
        altitude_m: None,
        ground_speed_kmh: None,
        ground_track_deg: None,
        sats_in_view: None,
        precision_bits: None,
        stamp: Stamp::heard(NOW.plus(Duration::from_secs(seconds))),
    }
}

/// Everything that can be said of a node.
fn introduced(node: u32) -> Patch {
    let mut patch = patch(node, 0);
    let text = |text: &str| Some(text.into());
    patch.info = Info {
        short_name: text("Ø"),
        long_name: text("<b>\u{1f525}"),
        hw_model: text("TBEAM"),
        role: text("TRACKER"),
        firmware: text("2.7.11"),
        channel: text("LongFast"),
    };
    patch.position = Some(Position {
        altitude_m: Some(-12),
        ground_speed_kmh: Some(58.3),
        ground_track_deg: Some(182.65),
        sats_in_view: Some(9),
        precision_bits: Some(32),
        ..at(0, (-495_367_292, 1_799_999_999))
    });
    patch.telemetry = Some(Readings {
        stamp: Stamp::heard(patch.heard),
        section: Section::Device,
        values: vec![(Metric::BatteryLevel, 101.0), (Metric::Voltage, 4.22)],
    });
    let links = [Some(-4.25), None].map(|snr_db| Link { id: NodeId::Radio(7), snr_db });
    patch.links =
        Some(Arc::new(Links { stamp: Stamp::heard(patch.heard), neighbours: links.into() }));
    patch
}

fn said(patch: &mut Patch, waypoint: Option<Waypoint>) {
    patch.message = Some(Arc::new(Message {
        network: Network::Meshtastic,
        packet_id: 0xbeef,
        from: patch.node.clone(),
        channel: waypoint.is_none().then(|| "LongFast".into()),
        text: "Moin".into(),
        time: patch.heard,
        waypoint,
    }));
}

/// What happens tick by tick.
fn story() -> Vec<Vec<Patch>> {
    let moved = |node, seconds, position| {
        let mut patch = patch(node, seconds);
        patch.position = Some(position);
        patch
    };
    let full = introduced(1).position.unwrap();
    let mut again = introduced(1);
    again.heard = NOW.plus(Duration::from_secs(1));
    again.info = Info { long_name: Some("Hill".into()), ..Info::default() };
    again.position = Some(Position {
        ground_speed_kmh: Some(61.0),
        ground_track_deg: Some(359.999_97),
        sats_in_view: None,
        ..at(1, (-495_366_000, -1_799_999_999))
    });
    said(&mut again, None);
    let mut marked = patch(2, 1);
    said(
        &mut marked,
        Some(Waypoint {
            id: 5,
            place: Place::from_e7(1, -1).unwrap(),
            description: "here".into(),
            icon: Some(0x1f525),
            expires: Some(NOW),
        }),
    );
    vec![
        vec![introduced(1), patch(2, 0), moved(3, 0, at(0, (0, 0)))],
        vec![again, marked, moved(3, 1, at(1, (7, -1_234_567))), introduced(4)],
        // One float of these is no short decimal fraction, and one time is no whole second.
        vec![
            moved(1, 2, Position { ground_speed_kmh: Some(1e-9), ..full }),
            moved(
                2,
                2,
                Position { stamp: Stamp::heard(NOW.plus(Duration::from_millis(2500))), ..full },
            ),
            moved(3, 2, Position { precision_bits: Some(13), ..at(2, (900_000_000, 0)) }),
        ],
        // From what was sent as it is, to fractions again.
        vec![
            moved(1, 3, Position { ground_speed_kmh: Some(0.1), ..at(3, (-495_366_000, 0)) }),
            moved(2, 3, Position { altitude_m: None, ..at(3, (1, 1)) }),
        ],
    ]
}

fn view<'a>(
    encoding: Encoding,
    sights: &'a [Sight],
    messages: &'a [u32],
    cells: &'a [CellCount],
) -> View<'a> {
    View { encoding, types: MessageTypes::ALL, sights, messages, cells }
}

/// Every frame of everything, in one encoding.
fn frames(encoding: Encoding) -> Vec<Bytes> {
    let epoch = &Arc::from(EPOCH);
    let mut written = vec![
        encode(
            encoding,
            &ServerMessage::Hello {
                protocol: 1,
                server: "geocast/test",
                epoch: EPOCH,
                revision: 1 << 40,
                tick_ms: 100,
                heartbeat_ms: 30_000,
                timeout_ms: 60_000,
            },
        ),
        encode(encoding, &ServerMessage::Pong { id: Some(7.into()), time: -5 }),
        encode(encoding, &ServerMessage::Pong { id: None, time: NOW.as_millis() }),
        encode(
            encoding,
            &ServerMessage::Error {
                code: ErrorCode::RateLimited,
                message: "slowly".to_owned(),
                retry_after_ms: Some(1000),
            },
        ),
    ];
    let mut deliver = |revision, content| {
        let delivery = Delivery { revision, sealed_at: Instant::now(), content };
        written.extend(Frames::new(encoding, epoch, delivery).map(|frame| frame.whole()));
    };

    let all = Filter::default();
    let lifetimes = Lifetimes { offline_after: LONG, forget_after: LONG * 2, tombstones: LONG };
    let mut world = World::new(lifetimes);
    let mut encoder = TickEncoder::default();
    deliver(world.revision(), Content::Picture(Box::new(picture(&world, true))));
    for patches in story() {
        for patch in &patches {
            world.apply(patch, patch.heard);
        }
        let batch = world.seal().unwrap();
        let sights = (0..).zip(&batch.changes).filter_map(|(change, changed)| {
            Some(Sight { change, kind: changed.seen_through(&all)? })
        });
        let sights: Vec<_> = sights.collect();
        let messages: Vec<_> = (0..).take(batch.messages.len()).collect();
        let view = view(encoding, &sights, &messages, &[]);
        deliver(batch.revision, Content::Tick(encoder.encode(&batch, &view)));
    }
    let before = world.revision();
    world.apply(&introduced(5), NOW);
    let mut renamed = patch(2, 4);
    renamed.info.long_name = Some("Second".into());
    world.apply(&renamed, NOW);
    world.forget(&NodeId::Radio(3), NOW);
    world.seal();
    let missed = world.missed(&all, &all, before).unwrap();
    deliver(
        world.revision(),
        Content::CatchUp { types: MessageTypes::ALL, missed: Box::new(missed) },
    );
    let updated = world.matching(&all).into_iter().filter(|node| node.number == 1);
    let missed = Missed {
        updated: updated.map(|node| (node, MessageTypes::ALL.groups())).collect(),
        left: vec![Gone { id: NodeId::Radio(2), number: 2 }],
        ..Missed::default()
    };
    deliver(
        world.revision(),
        Content::CatchUp { types: MessageTypes::ALL, missed: Box::new(missed) },
    );

    let tile = |x| Tile { zoom: Zoom::new(9).unwrap(), x, y: 511 };
    let cells = vec![
        CellCount { tile: tile(0), total: 100_000, online: 1 },
        CellCount { tile: tile(3), total: 0, online: 0 },
    ];
    let counted = Picture { cells: Some(cells.clone()), ..picture(&world, true) };
    deliver(world.revision(), Content::Picture(Box::new(counted)));
    world.apply(&patch(1, 9), NOW);
    let batch = world.seal().unwrap();
    let view = view(encoding, &[], &[], &cells);
    deliver(batch.revision, Content::Tick(encoder.encode(&batch, &view)));
    deliver(Revision(1 << 50), Content::Picture(Box::new(picture(&World::new(lifetimes), false))));

    written.extend(in_columns(encoding, &mut world));
    written
}

fn picture(world: &World, full: bool) -> Picture {
    let all = Filter::default();
    let mut nodes = world.matching(&all);
    nodes.sort_by_key(|node| node.number);
    Picture {
        types: MessageTypes::ALL,
        full,
        excerpt: Excerpt::default(),
        nodes,
        removed: Vec::new(),
        messages: world.recent_messages(&all),
        cells: None,
    }
}

/// Snapshots of more nodes, in columns where there are any.
fn in_columns(encoding: Encoding, world: &mut World) -> Vec<Bytes> {
    for patch in unlinked() {
        world.apply(&patch, patch.heard);
    }
    world.seal();
    let content = Content::Picture(Box::new(picture(world, true)));
    let delivery = Delivery { revision: world.revision(), sealed_at: Instant::now(), content };
    let frames = Frames::new(encoding, &Arc::from(EPOCH), delivery).in_form(NodeForm::Columns);
    let mut written: Vec<_> = frames.map(|frame| frame.whole()).collect();

    // A page.
    let mut picture = picture(world, true);
    picture.nodes.retain(|node| node.links.is_none());
    let (head, part) = match encoding {
        Encoding::Json => {
            let nodes = &*picture.nodes;
            let part = Part { nodes, removed: &[], messages: &[], cells: &[], more: true };
            (json::head(EPOCH, world.revision()), json::part(&picture, &part))
        }
        Encoding::Proto => {
            let part = part_in_columns(picture.nodes.iter().map(|node| &**node));
            (lead(&head(EPOCH, world.revision()), part.len()), part)
        }
    };
    written.push([head, part].concat().into());
    written
}

/// Nodes as they stand in columns, which have everything but links.
fn unlinked() -> Vec<Patch> {
    let named = |name: &str| {
        let id = NodeId::Named(name.into());
        Patch { node: id, ..introduced(0) }
    };
    let mut patches =
        vec![introduced(8), introduced(9), patch(10, 1), patch(11, 2), named("car/Ø"), named("b")];
    patches[1].info = Info { short_name: Some("".into()), ..Info::default() };
    patches[0].info.short_name = Some("0008".into());
    patches[0].info.long_name = Some("Meshtastic 0008".into());
    patches[1].telemetry = None;
    if let Some(readings) = &mut patches[4].telemetry {
        readings.values = vec![(Metric::Voltage, 1.0 / 3.0), (Metric::UptimeSeconds, 7.0)];
    }
    for patch in &mut patches {
        patch.links = None;
    }
    patches
}

#[test]
fn frames_in_both_encodings_are_written_down_for_the_typescript_client() {
    let mut text = String::from(
        "// Generated from src/http/proto/pairs.rs by `cargo test`. Do not edit.\n\n\
         /** Frames of a server, in order, in both encodings; bytes as hexadecimal digits. */\n\
         export const FRAMES: { json: object; proto: string }[] = [\n",
    );
    let (json, proto) = (frames(Encoding::Json), frames(Encoding::Proto));
    assert_eq!(json.len(), proto.len());
    for (json, proto) in json.iter().zip(&proto) {
        let hex: String = proto.iter().fold(String::new(), |mut hex, byte| {
            write!(hex, "{byte:02x}").unwrap();
            hex
        });
        let json = str::from_utf8(json).unwrap();
        writeln!(text, "\t{{ json: {json}, proto: '{hex}' }},").unwrap();
    }
    text.push_str("];\n");
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = root.join("web/client/test/frames.gen.ts");
    if std::fs::read_to_string(&path).ok().as_ref() != Some(&text) {
        std::fs::write(&path, text).unwrap();
    }
}

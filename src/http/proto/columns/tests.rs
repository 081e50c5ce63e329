use std::{collections::BTreeMap, sync::Arc};

use proptest::{collection, option::of, prelude::*};
use prost::Message as _;

use super::*;
use crate::{
    domain::{Link, Links, Network, Patch, Section, Stamp, Status},
    http::proto::{
        reading,
        strategies::{position, time},
    },
};

fn text() -> impl Strategy<Value = Option<Box<str>>> {
    let text = prop_oneof![
        2 => prop::sample::select(vec!["", "ROUTER", "00ff", "\u{feff}Ø", "\u{1f525}"]).prop_map(str::to_owned),
        1 => ".{0,20}",
    ];
    of(text.prop_map(String::into_boxed_str))
}

fn info() -> impl Strategy<Value = Info> {
    (text(), text(), text(), text(), text(), text()).prop_map(
        |(short_name, long_name, hw_model, role, firmware, channel)| Info {
            short_name,
            long_name,
            hw_model,
            role,
            firmware,
            channel,
        },
    )
}

/// What radios say, what dividing it makes of it, and any other number.
fn reading() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => (0..5_000_i32).prop_map(|units| f64::from(units) / 100.0),
        2 => any::<u32>().prop_map(f64::from),
        1 => (0..400_i16).prop_map(|units| (f32::from(units) / 36.0).to_string().parse().unwrap()),
        1 => prop::sample::select(vec![-0.0, 1e300, 9_007_199_254_740_993.0, 1e-9, -273.15]),
        1 => any::<f64>().prop_filter("finite", |value| value.is_finite()),
    ]
}

fn telemetry() -> impl Strategy<Value = Telemetry> {
    let metric = prop::sample::select(&[Metric::BatteryLevel, Metric::Voltage, Metric::PaxBle][..]);
    let values = collection::btree_map(metric, reading(), 0..=3);
    (of(time()), values).prop_map(|(time, values)| match time {
        Some(time) => {
            let sections = vec![(Section::Device, Stamp::heard(time))];
            Telemetry::restore(sections, values.into_iter().collect())
        }
        None => Telemetry::default(),
    })
}

fn links() -> impl Strategy<Value = Links> {
    let neighbour = any::<u32>().prop_map(|id| Link { id: NodeId::Radio(id), snr_db: None });
    (time(), collection::vec(neighbour, 0..3))
        .prop_map(|(time, neighbours)| Links { stamp: Stamp::heard(time), neighbours })
}

fn node() -> impl Strategy<Value = domain::Node> {
    let id = prop_oneof![
        4 => any::<u32>().prop_map(NodeId::Radio),
        1 => "[a-zØ/]{1,20}".prop_map(|name| NodeId::Named(name.into())),
    ];
    let of_links = prop::option::weighted(0.1, links());
    let status = (any::<bool>(), time());
    let info = (info(), any::<bool>());
    (id, info, of(position()), telemetry(), status, of_links).prop_map(
        |(id, (info, is_unnamed), position, telemetry, (online, last_heard), links)| {
            let patch = Patch::heard(id, Network::Meshtastic, last_heard);
            let info = if let (NodeId::Radio(number), true) = (&patch.node, is_unnamed) {
                let digits = format!("{:04x}", number & 0xffff);
                let long_name = Some(format!("Meshtastic {digits}").into());
                Info { short_name: Some(digits.into()), long_name, ..info }
            } else {
                info
            };
            domain::Node {
                info: Arc::new(info),
                position,
                telemetry: Arc::new(telemetry),
                status: Status { online, last_heard },
                links: links.map(Arc::new),
                ..domain::Node::heard_first(&patch)
            }
        },
    )
}

/// Nodes by their numbers.
fn mesh() -> impl Strategy<Value = Vec<domain::Node>> {
    collection::btree_map(any::<u32>(), node(), 0..20).prop_map(|nodes| {
        let numbered = nodes.into_iter().map(|(number, node)| domain::Node { number, ..node });
        numbered.collect()
    })
}

/// What a client reads, to the last bit.
fn read(snapshot: &Snapshot) -> Option<BTreeMap<u32, String>> {
    let in_columns = snapshot.columns.iter().map(reading::nodes).collect::<Option<Vec<_>>>()?;
    let all = snapshot.nodes.iter().chain(in_columns.iter().flatten());
    Some(all.map(|node| (node.number, format!("{node:?}"))).collect())
}

proptest! {
    #[test]
    fn a_client_reads_the_records_that_were_written(mesh in mesh()) {
        let whole = |node: &domain::Node| Node::whole(node, MessageTypes::ALL);
        let records = Snapshot { nodes: mesh.iter().map(whole).collect(), ..Snapshot::default() };
        let written = nodes(mesh.iter().rev()).encode_to_vec();
        let columns = Snapshot::decode(&*written).unwrap();
        prop_assert_eq!(read(&columns), read(&records));
    }

    #[test]
    fn no_damage_upsets_a_reader(mesh in mesh(), at: usize, bit in 0..8_u32) {
        let mut written = nodes(mesh.iter()).encode_to_vec();
        if let Some(length) = written.len().checked_sub(1) {
            written[at % (length + 1)] ^= 1_u8 << bit;
        }
        let damaged = Snapshot::decode(&*written).ok();
        // A count may be any number now, and a reader makes room for so many rows.
        let counts = damaged.iter().flat_map(|damaged| &damaged.columns);
        if counts.clone().all(|columns| columns.count < 1000) {
            drop(damaged.as_ref().map(read));
        }
    }
}

fn mesh_of(count: u32, name: impl Fn(u32) -> Option<Box<str>>) -> Vec<domain::Node> {
    let node = |number| {
        let heard = Timestamp::from_seconds(1_795_239_750);
        let patch = Patch::heard(NodeId::Radio(number), Network::Meshtastic, heard);
        let info = Arc::new(Info { long_name: name(number), ..Info::default() });
        domain::Node { number, info, ..domain::Node::heard_first(&patch) }
    };
    (1..=count).map(node).collect()
}

/// What one more node costs among many.
fn bytes_each(name: impl Fn(u32) -> Option<Box<str>>) -> f64 {
    let bytes = |count| nodes(mesh_of(count, &name).iter()).encoded_len();
    f64::from(u32::try_from(bytes(200) - bytes(100)).unwrap()) / 100.0
}

#[test]
fn what_all_nodes_have_in_common_costs_them_nothing() {
    let each = bytes_each(|_| Some("Hill".into()));
    // An id takes four.
    assert!(each < 5.0, "{each} bytes a node");
}

#[test]
fn the_names_of_radios_that_nobody_has_named_cost_nothing() {
    let each = bytes_each(|number| Some(format!("Meshtastic {number:04x}").into()));
    assert!(each < 5.0, "{each} bytes a node");
}

#[test]
fn names_of_their_own_cost_little_more_than_their_letters() {
    let each = bytes_each(|number| Some(format!("Node {number:05}").into()));
    assert!(each < 4.0 + 10.0 + 1.0, "{each} bytes a node");
}

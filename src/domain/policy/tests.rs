//! The decision, case by case, and what holds for all of them.

use std::{sync::Arc, time::Duration};

use proptest::prelude::*;

use super::*;
use crate::domain::{
    Info, Link, LinkObservation, LinkSource, Links, Message, Network, Node, NodeId, OkToMqtt,
    Packet, PacketKey, Patch, Place, Position, Reception, Report, Stamp, Terms, Timestamp,
    Waypoint,
};

const NOON: Timestamp = Timestamp::from_millis(1_790_000_000_000);

fn report(sender: u32, id: u64) -> Box<Report> {
    let sender = NodeId::Radio(sender);
    Box::new(Report {
        packet: Packet {
            key: PacketKey { network: Network::Meshtastic, sender: sender.clone(), id },
            port: 3,
            channel: Some("LongFast".into()),
            to: None,
            payload: vec![1, 2, 3],
        },
        reception: Reception {
            gateway: NodeId::Radio(9),
            arrived: NOON,
            redelivered_since: None,
            snr_db: None,
            rssi_dbm: None,
            hop_start: None,
            hop_limit: None,
        },
        patch: Patch::heard(sender, Network::Meshtastic, NOON),
        links: Vec::new(),
        terms: Terms::default(),
    })
}

fn position(latitude_e7: i32, longitude_e7: i32, bits: Option<u8>) -> Position {
    Position {
        place: Place::from_e7(latitude_e7, longitude_e7).unwrap(),
        altitude_m: Some(420),
        ground_speed_kmh: Some(30.0),
        ground_track_deg: Some(90.0),
        sats_in_view: Some(7),
        precision_bits: bits,
        stamp: Stamp::heard(NOON),
    }
}

fn at(sender: u32, id: u64, latitude_e7: i32, longitude_e7: i32) -> Box<Report> {
    let mut report = report(sender, id);
    report.patch.position = Some(position(latitude_e7, longitude_e7, Some(32)));
    report
}

fn named(sender: u32, long: &str, short: &str, after_s: u64) -> Box<Report> {
    let mut report = report(sender, 1);
    report.patch.heard = NOON.plus(Duration::from_secs(after_s));
    report.patch.info =
        Info { long_name: Some(long.into()), short_name: Some(short.into()), ..Info::default() };
    report
}

fn zone(latitude_e7: i32, longitude_e7: i32, radius_m: f64, node: Option<u32>) -> HomeZone {
    let middle = Place::from_e7(latitude_e7, longitude_e7).unwrap();
    HomeZone { middle, radius_m, node: node.map(NodeId::Radio) }
}

fn region(corners: &[(f64, f64)]) -> Region {
    let place = |(latitude, longitude): &(f64, f64)| Place::from_degrees(*latitude, *longitude);
    Region::new(corners.iter().map(|corner| place(corner).unwrap())).unwrap()
}

/// What becomes of a report while nobody is kept out.
fn decide(rules: &Rules, report: Box<Report>) -> Decision {
    rules.decide(report, &KeptOut::default())
}

#[test]
fn by_default_what_is_not_agreed_to_is_dropped_and_the_rest_is_kept_as_it_is() {
    let rules = Rules::default();
    for (said, kept) in [(OkToMqtt::Yes, true), (OkToMqtt::Absent, true), (OkToMqtt::No, false)] {
        let mut report = at(1, 1, 123_456_789, -987_654_321);
        report.terms.ok_to_mqtt = said;
        let expected = kept.then(|| report.clone()).ok_or(Denial::OkToMqtt);
        assert_eq!(decide(&rules, report).report, expected, "{said:?}");
    }
}

#[test]
fn what_is_for_the_map_only_is_shown_and_leaves_no_bytes() {
    let rules = Rules { ok_to_mqtt_absent: Treatment::MapOnly, ..Rules::default() };
    let left = decide(&rules, at(1, 1, 10, 10)).report.unwrap();
    assert!(left.terms.map_only);
    assert!(left.packet.payload.is_empty());
    assert!(left.patch.position.is_some());
}

#[test]
fn a_marked_name_keeps_a_node_out_until_a_later_name_is_without_the_mark() {
    let rules = Rules { opt_out_prefixes: ["x-".into()].into(), ..Rules::default() };
    for (long, short) in [("Hill \u{1f6ab}", "H"), ("Hill", "\u{1f6ab}"), ("x-Hill", "H")] {
        let mut kept_out = KeptOut::default();
        let left = rules.decide(named(1, long, short, 10), &kept_out);
        assert_eq!(left.report, Err(Denial::OptedOut), "{long}");
        kept_out.apply(&left.standing.unwrap());
        // Whatever else it says, and an older name.
        for report in [at(1, 2, 10, 10), named(1, "Hill", "H", 9), named(1, "Hill", "H", 5)] {
            let left = rules.decide(report, &kept_out);
            assert_eq!((left.report, left.standing), (Err(Denial::OptedOut), None));
        }
        let back = rules.decide(named(1, "Hill", "H", 11), &kept_out);
        assert!(back.report.is_ok());
        assert_eq!(back.standing, Some(Standing::In(NodeId::Radio(1))));
    }
    assert!(decide(&rules, named(1, "Hill x-", "H", 1)).report.is_ok());
}

#[test]
fn who_was_forgotten_stays_out_whatever_the_name() {
    let left = Left { why: Why::Forgotten, since: NOON };
    let kept_out: KeptOut = [(NodeId::Radio(1), left)].into_iter().collect();
    let decision = Rules::permissive().decide(named(1, "Hill", "H", 99), &kept_out);
    assert_eq!((decision.report, decision.standing), (Err(Denial::Forgotten), None));
}

#[test]
fn lists_say_who_and_what_is_kept() {
    let lists = [
        (Rules { allow_nodes: [NodeId::Radio(2)].into(), ..Rules::default() }, Denial::Node),
        (Rules { block_nodes: [NodeId::Radio(1)].into(), ..Rules::default() }, Denial::Node),
        (Rules { channels: ["Hikers".into()].into(), ..Rules::default() }, Denial::Channel),
        (Rules { ports: [67].into(), ..Rules::default() }, Denial::Port),
    ];
    for (rules, denial) in lists {
        assert_eq!(decide(&rules, report(1, 1)).report, Err(denial));
        let mut other = report(2, 1);
        other.packet.channel = Some("Hikers".into());
        other.packet.port = 67;
        assert!(decide(&rules, other).report.is_ok(), "{denial:?}");
    }
}

#[test]
fn a_position_in_a_home_zone_is_withheld_and_the_rest_is_kept() {
    let everybody = zone(470_000_000, 80_000_000, 500.0, None);
    let of_one = zone(470_000_000, 80_000_000, 500.0, Some(1));
    for (home, sender, hidden) in [(&everybody, 2, true), (&of_one, 1, true), (&of_one, 2, false)] {
        let rules = Rules { home_zones: vec![home.clone()], ..Rules::default() };
        let left = decide(&rules, at(sender, 1, 470_040_000, 80_000_000));
        assert_eq!(left.stripped.position, hidden.then_some(Veil::AtHome));
        let left = left.report.unwrap();
        assert_eq!(left.patch.position.is_none(), hidden);
        assert_eq!(left.packet.payload.is_empty(), hidden);
        // 556 m away.
        let away = decide(&rules, at(sender, 1, 470_050_000, 80_000_000)).report.unwrap();
        assert!(away.patch.position.is_some());
    }
}

#[test]
fn a_marked_place_at_home_goes_with_its_text() {
    let rules =
        Rules { home_zones: vec![zone(470_000_000, 80_000_000, 500.0, None)], ..Rules::default() };
    let mut report = report(1, 1);
    report.patch.message = Some(Arc::new(Message {
        network: Network::Meshtastic,
        packet_id: 1,
        from: NodeId::Radio(1),
        channel: None,
        text: "home".into(),
        time: NOON,
        waypoint: Some(Waypoint {
            id: 1,
            place: Place::from_e7(470_000_000, 80_000_000).unwrap(),
            description: "".into(),
            icon: None,
            expires: None,
        }),
    }));
    let left = decide(&rules, report);
    assert!(left.stripped.text);
    assert_eq!(left.report.unwrap().patch.message, None);
}

#[test]
fn a_node_outside_the_region_is_kept_out_until_it_is_inside() {
    // Around the antimeridian.
    let fiji = region(&[(-10.0, 170.0), (-10.0, -170.0), (-20.0, -170.0), (-20.0, 170.0)]);
    let rules = Rules { regions: vec![fiji], ..Rules::default() };
    let mut kept_out = KeptOut::default();
    for longitude_e7 in [1_790_000_000, -1_790_000_000] {
        assert!(decide(&rules, at(1, 1, -150_000_000, longitude_e7)).report.is_ok());
    }
    assert!(decide(&rules, report(1, 1)).report.is_ok(), "nobody knows where it is");
    let left = rules.decide(at(1, 2, -150_000_000, 0), &kept_out);
    assert_eq!(left.report, Err(Denial::OutsideRegion));
    kept_out.apply(&left.standing.unwrap());
    assert_eq!(rules.decide(report(1, 3), &kept_out).report, Err(Denial::OutsideRegion));
    let mut inside = at(1, 4, -150_000_000, 1_790_000_000);
    inside.patch.position.as_mut().unwrap().stamp = Stamp::heard(NOON.plus(Duration::from_secs(1)));
    let back = rules.decide(inside, &kept_out);
    assert!(back.report.is_ok());
    assert_eq!(back.standing, Some(Standing::In(NodeId::Radio(1))));
    assert!(Rules::default().decide(report(1, 3), &kept_out).report.is_ok(), "no region any more");
}

#[test]
fn nothing_is_told_by_others_of_who_is_kept_out() {
    let left = Left { why: Why::OptedOut, since: NOON };
    let kept_out: KeptOut = [(NodeId::Radio(7), left)].into_iter().collect();
    let mut heard = report(1, 1);
    let link = |id| Link { id: NodeId::Radio(id), snr_db: None };
    let stamp = Stamp::heard(NOON);
    heard.patch.links = Some(Arc::new(Links { stamp, neighbours: vec![link(7), link(8)] }));
    let seen = |from, to| LinkObservation {
        from: NodeId::Radio(from),
        to: NodeId::Radio(to),
        snr_db: None,
        source: LinkSource::NeighbourInfo,
    };
    heard.links = vec![seen(7, 1), seen(8, 1), seen(1, 7)];
    heard.reception.gateway = NodeId::Radio(7);
    heard.packet.to = Some(NodeId::Radio(7));
    let told = Rules::default().decide(heard, &kept_out).report.unwrap();
    assert!(!format!("{told:?}").contains("Radio(7)"), "{told:?}");
    assert_eq!(told.links, [seen(8, 1)]);
    assert!(told.packet.payload.is_empty());
}

#[test]
fn what_is_too_much_is_merged_and_the_newest_is_kept_when_the_interval_is_over() {
    let rate = PositionRate::new(2, Duration::from_mins(1));
    let mut flow = Flow::default();
    let second = |second| NOON.plus(Duration::from_secs(second));
    let moved = |id: u64| {
        let mut report = at(1, id, i32::try_from(id).unwrap(), 0);
        report.patch.position.as_mut().unwrap().stamp = Stamp::heard(second(id));
        report
    };
    assert!(flow.pass(moved(1), rate, second(1)).is_ok());
    assert!(flow.pass(moved(2), rate, second(2)).is_ok());
    assert!(flow.pass(moved(1), rate, second(2)).is_ok(), "another gateway's copy");
    assert_eq!(flow.pass(moved(3), rate, second(3)), Err(Merged { is_first: true }));
    assert_eq!(flow.pass(moved(5), rate, second(5)), Err(Merged { is_first: false }));
    assert_eq!(flow.pass(moved(4), rate, second(6)), Err(Merged { is_first: false }));
    assert!(flow.pass(report(1, 6), rate, second(6)).is_ok(), "it says no position");
    assert!(flow.pass(at(2, 6, 0, 0), rate, second(6)).is_ok(), "another node");
    assert_eq!(flow.release(second(60)), []);
    assert_eq!(flow.release(second(61)), [*moved(5)]);
    assert!(flow.pass(moved(62), rate, second(62)).is_ok());
    assert_eq!(flow.release_all(), []);
}

#[test]
fn the_longest_topic_that_fits_holds() {
    let with = |name: &str, broker: Option<&str>, topic: Option<&str>| SourceRules {
        name: name.into(),
        broker: broker.map(Into::into),
        topic: topic.map(Into::into),
        rules: Rules::permissive(),
    };
    let sources = vec![
        with("broker", Some("mqtt://a:1883"), None),
        with("eu", None, Some("msh/EU_868")),
        with("de", None, Some("msh/EU_868/DE")),
        with("club", None, Some("msh/+/2/e/club")),
    ];
    let policy = Policy { general: Rules::default(), sources };
    for (broker, topic, expected) in [
        (None, "msh/US/2/e/LongFast/!1", None),
        (Some("mqtt://a:1883"), "msh/US/2/e/LongFast/!1", Some("broker")),
        (Some("mqtt://a:1883"), "msh/EU_868/2/e/LongFast/!1", Some("eu")),
        (None, "msh/EU_868/DE/2/e/LongFast/!1", Some("de")),
        (None, "msh/EU_868x/2/e/LongFast/!1", None),
        (None, "msh/EU_868/2/e/club/!1", Some("club")),
        (None, "msh/US/2/e/club/!1", Some("club")),
        (None, "msh/US/2/e/clubs/!1", None),
        (None, "msh/US/2/e", None),
    ] {
        let (_, name) = policy.rules_for(&Origin { broker, topic });
        assert_eq!(name.map(|name| &**name), expected, "{topic}");
    }
}

/// The state of a node with everything that a policy may take out.
fn known(id: u32) -> Node {
    let mut patch = at(id, 1, 470_000_000, 80_000_000).patch;
    patch.info.long_name = Some("Hill".into());
    patch.info.channel = Some("LongFast".into());
    let link = |id| Link { id: NodeId::Radio(id), snr_db: None };
    let links = Links { stamp: Stamp::heard(NOON), neighbours: vec![link(7), link(8)] };
    patch.links = Some(Arc::new(links));
    let mut node = Node::heard_first(&patch);
    node.merge(&patch);
    node
}

fn said<'a>(node: &'a NodeId, port: u16, channel: &'a str, source: Option<&'a str>) -> Row<'a> {
    Row { node, channel: Some(channel), port, ok_to_mqtt: OkToMqtt::Yes, source }
}

fn becomes(policy: &Policy, past: Past<'_>) -> Node {
    match policy.state_stays(&known(1), past, &KeptOut::default()) {
        StateVerdict::Becomes(node) => *node,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_state_is_held_to_the_rules_of_the_source_that_each_part_of_it_came_from() {
    let id = NodeId::Radio(1);
    let own = SourceRules {
        name: "club".into(),
        broker: None,
        topic: Some("msh/club".into()),
        rules: Rules {
            precision: Precision { finest: 12, coarsest: 1 },
            channels: ["Club".into()].into(),
            ..Rules::default()
        },
    };
    let general = Rules { ports: [3, 4].into(), ..Rules::default() };
    let policy = Policy { general, sources: vec![own] };
    let name = said(&id, 4, "LongFast", None);
    // Each by the rules of its own source: the links came on a port that is not kept.
    let kinds = [said(&id, 3, "Club", Some("club")), name, said(&id, 71, "LongFast", None)];
    let node = becomes(&policy, Past { kinds: &kinds, position: Some(kinds[0]) });
    assert_eq!(node.position.unwrap().precision_bits, Some(12));
    assert_eq!((node.info.long_name.as_deref(), node.links), (Some("Hill"), None));
    // The packet that said it counts, and not what came later.
    let kinds = [name, said(&id, 3, "LongFast", None), said(&id, 3, "Club", Some("club"))];
    let node = becomes(&policy, Past { kinds: &kinds, position: Some(kinds[2]) });
    assert_eq!(node.position.unwrap().precision_bits, Some(12));
    // Where it is not stored any more, the one heard last that may have said it does.
    let kinds = [said(&id, 3, "Other", Some("club")), name];
    let node = becomes(&policy, Past { kinds: &kinds, position: None });
    assert_eq!((node.position, node.info.channel.as_deref()), (None, None));
    assert_eq!(node.info.long_name.as_deref(), Some("Hill"));
}

#[test]
fn a_state_of_which_no_packet_is_left_is_shown_only_where_it_does_not_matter_what_it_said() {
    let verdict = |general| {
        let policy = Policy { general, sources: Vec::new() };
        policy.state_stays(&known(1), Past::default(), &KeptOut::default())
    };
    assert_eq!(verdict(Rules::permissive()), StateVerdict::Stays);
    let without_8 = Rules { block_nodes: [NodeId::Radio(8)].into(), ..Rules::permissive() };
    let StateVerdict::Becomes(node) = verdict(without_8) else { panic!("it hears 8") };
    assert_eq!(node.links.unwrap().neighbours.len(), 1);
    for general in [
        Rules::default(),
        Rules { ports: [3].into(), ..Rules::permissive() },
        Rules { channels: ["LongFast".into()].into(), ..Rules::permissive() },
    ] {
        assert_eq!(verdict(general), StateVerdict::Hides);
    }
    let blocked = Rules { block_nodes: [NodeId::Radio(1)].into(), ..Rules::permissive() };
    assert_eq!(verdict(blocked), StateVerdict::Goes);
}

#[test]
fn a_state_leaves_by_the_name_and_the_region_of_the_source_that_it_came_from() {
    let id = NodeId::Radio(1);
    let rules = Rules {
        opt_out_prefixes: ["Hi".into()].into(),
        regions: vec![region(&[(10.0, 10.0), (10.0, 11.0), (11.0, 11.0)])],
        ..Rules::default()
    };
    let source = SourceRules { name: "club".into(), broker: None, topic: None, rules };
    let policy = Policy { general: Rules::default(), sources: vec![source] };
    let verdict = |kinds: &[Row<'_>]| {
        policy.state_stays(&known(1), Past { kinds, position: None }, &KeptOut::default())
    };
    let (name, place) = (|of| said(&id, 4, "A", of), |of| said(&id, 3, "A", of));
    assert_eq!(verdict(&[name(None), place(None)]), StateVerdict::Stays);
    let club = Some("club");
    assert_eq!(verdict(&[name(club), place(None)]), StateVerdict::Leaves(Why::OptedOut));
    assert_eq!(verdict(&[name(None), place(club)]), StateVerdict::Leaves(Why::OutsideRegion));
}

#[test]
fn a_packet_that_is_only_shown_stays_without_what_it_said() {
    let id = NodeId::Radio(1);
    let verdict = |treatment| {
        let general = Rules { ok_to_mqtt_yes: treatment, ..Rules::default() };
        Policy { general, sources: Vec::new() }.packet_stays(&said(&id, 3, "A", None))
    };
    assert_eq!(verdict(Treatment::Keep), RowVerdict::Stays);
    assert_eq!(verdict(Treatment::MapOnly), RowVerdict::Becomes(()));
    assert_eq!(verdict(Treatment::Drop), RowVerdict::Goes);
}

fn places() -> impl Strategy<Value = (i32, i32)> {
    (-900_000_000..=900_000_000, -1_800_000_000..=1_800_000_000)
}

fn any_rules() -> impl Strategy<Value = Rules> {
    let home = (places(), 0.0..5_000_000.0);
    (1_u8..=32, 1_u8..=32, proptest::option::of(home), any::<bool>()).prop_map(
        |(one, other, home, is_bounded)| Rules {
            precision: Precision { finest: one.max(other), coarsest: one.min(other) },
            home_zones: home
                .map(|((latitude, longitude), radius)| zone(latitude, longitude, radius, None))
                .into_iter()
                .collect(),
            regions: is_bounded
                .then(|| region(&[(60.0, -20.0), (60.0, 50.0), (-30.0, 50.0)]))
                .into_iter()
                .collect(),
            ..Rules::default()
        },
    )
}

proptest! {
    #[test]
    fn deciding_again_changes_nothing(
        rules in any_rules(),
        (latitude, longitude) in places(),
        bits in proptest::option::of(1_u8..=32),
    ) {
        let mut report = at(1, 1, latitude, longitude);
        report.patch.position.as_mut().unwrap().precision_bits = bits;
        if let Ok(once) = decide(&rules, report).report {
            let again = decide(&rules, once.clone());
            prop_assert_eq!(again.report, Ok(once.clone()));
            let policy = Policy { general: rules, sources: Vec::new() };
            if let Some(position) = &once.patch.position {
                let stays = policy.position_stays(&NodeId::Radio(1), position, None);
                prop_assert_eq!(stays, RowVerdict::Stays);
            }
        }
    }

    #[test]
    fn all_positions_of_a_cell_are_told_alike(
        (latitude, longitude) in places(),
        (right, up) in (any::<u32>(), any::<u32>()),
        finest in 1_u8..32,
    ) {
        let cell = 1_i64 << (32 - finest);
        let elsewhere = |units: i32, by: u32| {
            let lower = i64::from(units).div_euclid(cell) * cell;
            i32::try_from(lower + i64::from(by) % cell)
        };
        let (Ok(other_latitude), Ok(other_longitude)) =
            (elsewhere(latitude, up), elsewhere(longitude, right)) else { return Ok(()) };
        prop_assume!(Place::from_e7(other_latitude, other_longitude).is_ok());
        let precision = Precision { finest, coarsest: 1 };
        let rules = Rules { precision, ..Rules::default() };
        let one = decide(&rules, at(1, 1, latitude, longitude)).report.unwrap();
        let mut other = at(1, 1, other_latitude, other_longitude);
        other.patch.position.as_mut().unwrap().altitude_m = Some(1);
        let other = decide(&rules, other).report.unwrap();
        prop_assert_eq!(&one, &other);
        prop_assert_eq!(one.patch.position.unwrap().precision_bits, Some(finest));
        prop_assert!(one.packet.payload.is_empty());
    }

    #[test]
    fn nothing_is_shown_that_is_at_home_or_outside_or_finer_than_allowed(
        rules in any_rules(),
        (latitude, longitude) in places(),
    ) {
        let report = at(1, 1, latitude, longitude);
        let place = report.patch.position.unwrap().place;
        let Ok(told) = decide(&rules, report).report else { return Ok(()) };
        let Some(told) = told.patch.position else { return Ok(()) };
        prop_assert!(!rules.at_home(&NodeId::Radio(1), place));
        prop_assert!(!rules.at_home(&NodeId::Radio(1), told.place));
        prop_assert!(rules.in_region(told.place));
        prop_assert!(told.precision_bits.unwrap_or(32) <= rules.precision.finest);
    }
}

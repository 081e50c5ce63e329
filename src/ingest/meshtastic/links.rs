//! Who hears whom: neighbour lists and traced routes.

use std::{iter::once, sync::Arc};

use meshtastic::protobufs::{NeighborInfo, RouteDiscovery};

use super::header::{BROADCAST, Header};
use crate::{
    domain::{Link, LinkObservation, LinkSource, Links, NodeId, Stamp},
    ingest::Refusal,
};

/// Most nodes that are read of one list; radios send at most 10.
const MAX_LISTED: usize = 64;
/// Units in which a route states signal to noise in one dB.
const SNR_UNITS_PER_DB: f32 = 4.0;

/// Reads a node's list of its neighbours: the list itself, and one observation of each.
pub(super) fn read_neighbours(
    header: &Header,
    message: &NeighborInfo,
) -> Result<(Option<Arc<Links>>, Vec<LinkObservation>), Refusal> {
    // A node speaks for itself only: nobody else knows whom it hears.
    if message.node_id != 0 && message.node_id != header.sender {
        return Err(Refusal::Malformed);
    }
    let listed = message.neighbors.iter().take(MAX_LISTED);
    let neighbours: Vec<_> = listed
        .filter(|neighbour| is_node(neighbour.node_id) && neighbour.node_id != header.sender)
        .map(|neighbour| Link {
            id: NodeId::Radio(neighbour.node_id),
            snr_db: Some(neighbour.snr).filter(|snr| snr.is_finite()),
        })
        .collect();
    let seen = neighbours
        .iter()
        .map(|link| LinkObservation {
            from: link.id.clone(),
            to: NodeId::Radio(header.sender),
            snr_db: link.snr_db,
            source: LinkSource::NeighbourInfo,
        })
        .collect();
    let links = Links { stamp: Stamp::heard(header.heard), neighbours };
    Ok((Some(Arc::new(links)), seen))
}

/// Reads a traced route: each hop of it that was heard by the next.
///
/// A request is on its way from its sender to its receiver. A reply holds the whole way there,
/// from its receiver to its sender, and the way back so far.
pub(super) fn read_route(
    header: &Header,
    message: &RouteDiscovery,
    reply: bool,
) -> Vec<LinkObservation> {
    let (sender, receiver) = (header.sender, header.to);
    if reply {
        let there = hops(receiver, &message.route, sender, &message.snr_towards, true);
        let back = hops(sender, &message.route_back, receiver, &message.snr_back, false);
        there.into_iter().chain(back).collect()
    } else {
        hops(sender, &message.route, receiver, &message.snr_towards, false)
    }
}

/// The links from `start` over `route`, and on to `end` if the packet got there: then the last
/// hop has added its SNR and not its number.
fn hops(start: u32, route: &[u32], end: u32, snr: &[i32], got_there: bool) -> Vec<LinkObservation> {
    let route = &route[..route.len().min(MAX_LISTED)];
    let got_there = got_there || snr.len() > route.len();
    let from = once(start).chain(route.iter().copied());
    let to = route.iter().copied().chain(got_there.then_some(end));
    // A hop that cannot read the channel is listed as broadcast: no link leads over it.
    from.zip(to)
        .enumerate()
        .filter(|(_, (from, to))| is_node(*from) && is_node(*to) && from != to)
        .map(|(hop, (from, to))| LinkObservation {
            from: NodeId::Radio(from),
            to: NodeId::Radio(to),
            snr_db: snr.get(hop).and_then(|&units| quarter_db(units)),
            source: LinkSource::Traceroute,
        })
        .collect()
}

/// Signal to noise in dB; the lowest number of a byte stands for not known.
fn quarter_db(units: i32) -> Option<f32> {
    let units = i8::try_from(units).ok().filter(|&units| units != i8::MIN)?;
    Some(f32::from(units) / SNR_UNITS_PER_DB)
}

fn is_node(number: u32) -> bool {
    !matches!(number, 0 | BROADCAST)
}

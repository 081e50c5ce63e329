//! Doors to this room's decoders, for `fuzz/`. They are there only when that is built.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::{
    body::Bytes,
    extract::Query,
    http::{HeaderMap, HeaderValue, Uri, header},
};

use super::{
    AllowedOrigins,
    client::{Who, hosts, who},
    events::parse_id,
    filter::{InvalidFilter, from_query},
    frames::encode,
    history::PageQuery,
    nodes::NodesQuery,
    protocol::ServerMessage,
    session::{Action, Session},
};
use crate::{
    broadcast::{Cursor, Encoding},
    domain::Filter,
};

/// What a client's text frame asks for: a filter at most. Else what it is answered.
pub fn text_message(text: &str) -> Result<Option<Filter>, Bytes> {
    asked(Session::new(Encoding::Json).on_text(text), Encoding::Json)
}

/// What a client's binary frame asks for, likewise.
pub fn binary_message(bytes: &[u8]) -> Result<Option<Filter>, Bytes> {
    asked(Session::new(Encoding::Proto).on_binary(bytes), Encoding::Proto)
}

fn asked(action: Action, encoding: Encoding) -> Result<Option<Filter>, Bytes> {
    let answer = match action {
        Action::Subscribe(filter, ..) => return Ok(Some(filter)),
        Action::Unsubscribe | Action::Snapshot => return Ok(None),
        Action::Pong(id) => ServerMessage::Pong { id, time: 0 },
        Action::Refuse(InvalidFilter { code, message }) => {
            ServerMessage::Error { code, message, retry_after_ms: None }
        }
    };
    Err(encode(encoding, &answer))
}

/// The filter that the query of a URL states; none if it states none that can be read.
pub fn filter(query: &str) -> Option<Filter> {
    from_query(Some(query)).ok()?
}

/// Reads where a client of Server-Sent Events left off, and says it again.
pub fn event_id(text: &str) -> Option<String> {
    parse_id(text).map(|Cursor { epoch, revision }| format!("{epoch}:{}", revision.0))
}

/// Reads the URLs of questions about now and then, and says whether one of them can be answered.
pub fn questions(url: &Uri) -> bool {
    let now = Query::<NodesQuery>::try_from_uri(url).is_ok();
    let then = Query::<PageQuery>::try_from_uri(url).is_ok_and(|Query(page)| page.of(None).is_ok());
    now || then
}

/// The client that a proxy of ours names in its header.
pub fn forwarded_for(line: HeaderValue) -> Option<IpAddr> {
    let proxy = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
    let headers = HeaderMap::from_iter([("x-forwarded-for".parse().ok()?, line)]);
    match who(SocketAddr::new(proxy, 1), &headers, &[proxy.into()]) {
        Who::Named(client) => Some(client),
        Who::Peer | Who::Proxy => None,
    }
}

/// Whether a page of this origin may speak to the server that a request calls so.
pub fn allows(origin: &HeaderValue, host: HeaderValue) -> bool {
    let headers = HeaderMap::from_iter([(header::HOST, host)]);
    AllowedOrigins::default().allow(Some(origin), hosts(&headers, false))
}

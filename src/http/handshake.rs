//! The way from a request to a WebSocket.

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderValue, header},
    response::Response,
};
use hyper::upgrade::{OnUpgrade, on};
use tungstenite::handshake::server::create_response_with_body;

use super::error::ApiError;
use crate::broadcast::Encoding;

/// How the conversation is written, as clients ask for it.
const SUBPROTOCOLS: [(&str, Encoding); 2] =
    [("geocast.v1.json", Encoding::Json), ("geocast.v1.proto", Encoding::Proto)];

/// The answer to a request for a WebSocket, how the client wants the conversation written, and the
/// connection once the answer is sent. JSON is spoken to those who do not ask.
pub(super) fn handshake(mut request: Request) -> Result<(Response, Encoding, OnUpgrade), ApiError> {
    let mut answer = create_response_with_body(&request, Body::empty)
        .map_err(|error| ApiError::BadRequest(error.to_string()))?;
    let offers = request.headers().get_all(header::SEC_WEBSOCKET_PROTOCOL);
    let offers = offers.iter().filter_map(|offer| offer.to_str().ok());
    let known = |offer: &str| SUBPROTOCOLS.into_iter().find(|(name, _)| *name == offer.trim());
    let mut encoding = Encoding::default();
    if let Some((chosen, wanted)) = offers.flat_map(|offer| offer.split(',')).find_map(known) {
        let chosen = HeaderValue::from_static(chosen);
        answer.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, chosen);
        encoding = wanted;
    }
    Ok((answer, encoding, on(&mut request)))
}

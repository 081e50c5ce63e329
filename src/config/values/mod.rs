//! How single values are written. Each error says what is allowed.

mod addresses;
mod brokers;
mod databases;
mod places;
mod quantities;

use std::fmt;

pub(super) use addresses::{
    address, collector_url, group, network, socket_url, web_origin, web_url,
};
pub(super) use brokers::{channel_key, client_id, mqtt_url, topic_filter};
pub(super) use databases::database_url;
pub use databases::without_password;
pub(super) use places::{home_zone, region};
pub(super) use quantities::{
    age, connections, copies, moment, patience, per_span, positive, sample, size, span,
};

/// A value that does not show in logs or error texts.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret<T>(T);

impl<T> Secret<T> {
    /// Hides a value.
    pub fn new(value: T) -> Self {
        Self(value)
    }

    /// The value, for whoever needs it.
    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

pub(super) fn log_filter(text: &str) -> Result<String, String> {
    let allowed = "a filter is needed, as in info or warn,geocast=debug";
    match tracing_subscriber::EnvFilter::try_new(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(format!("{error}; {allowed}")),
    }
}

/// A text that is not empty.
pub(super) fn some_text(text: &str) -> Result<String, String> {
    if text.is_empty() { Err("a text is needed".to_owned()) } else { Ok(text.to_owned()) }
}

/// It goes into a header.
pub(super) fn token(text: &str) -> Result<Secret<String>, String> {
    let legal = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    let allowed = "ASCII characters without spaces are needed";
    if legal { Ok(Secret(text.to_owned())) } else { Err(allowed.to_owned()) }
}

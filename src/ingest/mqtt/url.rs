//! The address of a broker. Its password leaves this file for the broker alone.

use std::{fmt, str::FromStr};

use thiserror::Error;
use url::Url;

/// Port of `mqtt://`.
const PORT: u16 = 1883;
/// Port of `mqtts://`.
const TLS_PORT: u16 = 8883;

/// Why a text is not the address of a broker. None of them repeats more of it than the scheme,
/// as it may hold a password.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum InvalidMqttUrl {
    /// Not a URL at all.
    #[error("not a URL, such as mqtt://user:password@host:1883: {0}")]
    Malformed(url::ParseError),
    /// A URL of something else.
    #[error("a broker's URL begins with mqtt:// or mqtts://, not {0}:")]
    Scheme(String),
    /// No host.
    #[error("the URL names no host")]
    NoHost,
    /// More than a broker has.
    #[error("a broker's URL ends with the port: no path, query or fragment")]
    Surplus,
    /// A user name that is not UTF-8 once decoded.
    #[error("the user name is not UTF-8")]
    User,
    /// MQTT has no password without a user name.
    #[error("a password needs a user name")]
    PasswordAlone,
}

/// The address of a broker, and who to be there. Shown without the password.
#[derive(Clone, PartialEq, Eq)]
pub struct MqttUrl {
    host: String,
    port: u16,
    tls: bool,
    user: Option<String>,
    password: Option<Vec<u8>>,
}

impl MqttUrl {
    /// Reads `mqtt://user:password@host:port` or `mqtts://`; user, password and port may be
    /// absent, and characters with a meaning in URLs are percent-encoded.
    pub fn parse(text: &str) -> Result<Self, InvalidMqttUrl> {
        let url = Url::parse(text).map_err(InvalidMqttUrl::Malformed)?;
        let tls = match url.scheme() {
            "mqtt" => false,
            "mqtts" => true,
            other => return Err(InvalidMqttUrl::Scheme(other.to_owned())),
        };
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or(InvalidMqttUrl::NoHost)?;
        if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
            return Err(InvalidMqttUrl::Surplus);
        }
        let user = match url.username() {
            "" => None,
            name => {
                let name = String::from_utf8(percent_decoded(name));
                Some(name.map_err(|_not_utf8| InvalidMqttUrl::User)?)
            }
        };
        let password = url.password().map(percent_decoded);
        if user.is_none() && password.is_some() {
            return Err(InvalidMqttUrl::PasswordAlone);
        }
        let port = url.port().unwrap_or(if tls { TLS_PORT } else { PORT });
        Ok(Self { host: host.to_owned(), port, tls, user, password })
    }

    /// The broker at `host:port`, in the clear and without a user.
    pub fn plain(host: impl Into<String>, port: u16) -> Self {
        Self { host: host.into(), port, tls: false, user: None, password: None }
    }

    /// Name or address of the host; IPv6 in brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, stated or usual.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether the connection is encrypted.
    pub fn tls(&self) -> bool {
        self.tls
    }

    /// User name and password as the broker wants them.
    pub(crate) fn credentials(&self) -> Option<(&str, &[u8])> {
        let user = self.user.as_deref()?;
        Some((user, self.password.as_deref().unwrap_or_default()))
    }
}

impl FromStr for MqttUrl {
    type Err = InvalidMqttUrl;

    fn from_str(text: &str) -> Result<Self, InvalidMqttUrl> {
        Self::parse(text)
    }
}

impl fmt::Display for MqttUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "mqtts" } else { "mqtt" };
        write!(f, "{scheme}://{}:{}", self.host, self.port)
    }
}

impl fmt::Debug for MqttUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MqttUrl({self})")
    }
}

/// The bytes that `text` stands for. A `%` without two hexadecimal digits stands for itself.
fn percent_decoded(text: &str) -> Vec<u8> {
    let mut rest = text.as_bytes();
    let mut decoded = Vec::with_capacity(rest.len());
    while let [byte, after @ ..] = rest {
        let escape = match (byte, after) {
            (b'%', [high, low, ..]) => hex_digit(*high).zip(hex_digit(*low)),
            _ => None,
        };
        if let Some((high, low)) = escape {
            decoded.push(high << 4 | low);
            rest = &after[2..];
        } else {
            decoded.push(*byte);
            rest = after;
        }
    }
    decoded
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_port_that_is_not_stated_is_the_usual_one() {
        let plain = MqttUrl::parse("mqtt://broker.example").unwrap();
        assert_eq!((plain.host(), plain.port(), plain.tls()), ("broker.example", 1883, false));
        let secure = MqttUrl::parse("mqtts://[::1]/").unwrap();
        assert_eq!((secure.host(), secure.port(), secure.tls()), ("[::1]", 8883, true));
        assert_eq!(MqttUrl::parse("mqtt://h:99").unwrap().port(), 99);
        assert_eq!(plain.credentials(), None);
    }

    #[test]
    fn what_is_no_address_of_a_broker_is_refused_with_a_reason() {
        let refused = |text| MqttUrl::parse(text).unwrap_err();
        assert!(matches!(refused("broker"), InvalidMqttUrl::Malformed(_)));
        assert!(matches!(refused("mqtt://host:port"), InvalidMqttUrl::Malformed(_)));
        assert_eq!(refused("localhost:1883"), InvalidMqttUrl::Scheme("localhost".into()));
        assert_eq!(refused("https://host"), InvalidMqttUrl::Scheme("https".into()));
        assert_eq!(refused("mqtt:///path"), InvalidMqttUrl::NoHost);
        assert_eq!(refused("mqtt://host/msh"), InvalidMqttUrl::Surplus);
        assert_eq!(refused("mqtt://host?x=1"), InvalidMqttUrl::Surplus);
        assert_eq!(refused("mqtt://:secret@host"), InvalidMqttUrl::PasswordAlone);
        assert_eq!(refused("mqtt://%ff@host"), InvalidMqttUrl::User);
    }

    proptest! {
        #[test]
        fn any_user_and_password_can_be_written_and_the_password_is_never_shown(
            user in ".{1,12}",
            password in proptest::collection::vec(any::<u8>(), 0..12),
        ) {
            let encoded = |bytes: &[u8]| {
                bytes.iter().fold(String::new(), |mut text, byte| {
                    write!(text, "%{byte:02x}").unwrap();
                    text
                })
            };
            let (name, secret) = (encoded(user.as_bytes()), encoded(&password));
            let url = MqttUrl::parse(&format!("mqtt://{name}:{secret}@host:1")).unwrap();
            prop_assert_eq!(url.credentials(), Some((user.as_str(), &*password)));
            prop_assert_eq!(format!("{url} {url:?}"), "mqtt://host:1 MqttUrl(mqtt://host:1)");
        }

        #[test]
        fn no_text_breaks_the_parser(text in "(mqtts?://)?.{0,40}") {
            drop(MqttUrl::parse(&text));
        }
    }
}

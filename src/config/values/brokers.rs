//! Brokers, and what is said there.

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use url::Url;

use super::Secret;

/// Longest channel key: AES-256.
const MAX_KEY_BYTES: usize = 32;

/// The apps show keys with and without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

pub(in crate::config) fn mqtt_url(text: &str) -> Result<Secret<Url>, String> {
    let allowed = "mqtt://[user:password@]host[:port] or mqtts://... is needed";
    let url = Url::parse(text).map_err(|error| format!("{error}; {allowed}"))?;
    let known = matches!(url.scheme(), "mqtt" | "mqtts")
        && url.host_str().is_some_and(|host| !host.is_empty());
    if known && matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none()
    {
        Ok(Secret::new(url))
    } else {
        Err(allowed.to_owned())
    }
}

/// MQTT 3.1.1 section 4.7: `+` and `#` stand alone in their level, and `#` only in the last.
/// MQTT 5 section 4.8.2: a shared one has the name of its group in front, as `$share/GROUP/`.
pub(in crate::config) fn topic_filter(text: &str) -> Result<String, String> {
    if let Some(shared) = text.strip_prefix("$share/") {
        return match shared.split_once('/') {
            Some((group, filter)) if !group.is_empty() && !group.contains(['+', '#']) => {
                topic_filter(filter).map(|_| text.to_owned())
            }
            _ => Err("a shared topic filter is needed, as in $share/GROUP/msh/#".to_owned()),
        };
    }
    let levels: Vec<_> = text.split('/').collect();
    let last = levels.len() - 1;
    let wild = |level: &str| level.contains(['+', '#']);
    let legal = levels.iter().enumerate().all(|(at, level)| match *level {
        "#" => at == last,
        "+" => true,
        level => !wild(level),
    });
    if !text.is_empty() && u16::try_from(text.len()).is_ok() && !text.contains('\0') && legal {
        Ok(text.to_owned())
    } else {
        Err("an MQTT topic filter is needed, as in msh/# or msh/EU_868/2/e/+/+".to_owned())
    }
}

pub(in crate::config) fn client_id(text: &str) -> Result<String, String> {
    let legal = (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    let allowed = "1 to 64 ASCII characters without spaces are needed";
    if legal { Ok(text.to_owned()) } else { Err(allowed.to_owned()) }
}

/// The value is checked here, where its flag is known, and taken apart by whoever opens packets.
pub(in crate::config) fn channel_key(text: &str) -> Result<Secret<String>, String> {
    let allowed = "NAME=BASE64 with a key of 0 to 32 bytes is needed, as in LongFast=AQ==";
    let (name, key) = text.split_once('=').ok_or(allowed)?;
    match BASE64.decode(key) {
        Ok(key) if key.len() <= MAX_KEY_BYTES && !name.is_empty() => {
            Ok(Secret::new(text.to_owned()))
        }
        _ => Err(allowed.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topic_filters_follow_the_standard() {
        for legal in ["msh/#", "#", "+", "msh/+/2/e/+/+", "a//b", "/", "$share/maps/msh/#"] {
            assert!(topic_filter(legal).is_ok(), "{legal}");
        }
        for illegal in ["", "msh/#/e", "msh+", "a/b#", "a\0"] {
            assert!(topic_filter(illegal).is_err(), "{illegal}");
        }
        for illegal in ["$share/maps", "$share/maps/", "$share//msh/#", "$share/#/a", "$share/+/a"]
        {
            assert!(topic_filter(illegal).is_err(), "{illegal}");
        }
    }

    #[test]
    fn a_channel_key_names_its_channel_and_does_not_print() {
        let key = channel_key("Berg & Tal=1PG7OiApB1nwvP+rz05pAQ==").unwrap();
        assert_eq!(format!("{key:?}"), "(secret)");
        assert!(channel_key("LongFast=AQ").is_ok());
        for illegal in [
            "LongFast",
            "=AQ==",
            "LongFast=A",
            "x=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==",
        ] {
            assert!(channel_key(illegal).is_err(), "{illegal}");
        }
    }

    #[test]
    fn only_brokers_are_mqtt_urls() {
        assert!(mqtt_url("mqtt://user:p%40ss@broker.example:1883").is_ok());
        assert!(mqtt_url("mqtts://broker.example").is_ok());
        for illegal in ["http://broker", "mqtt://", "mqtt://host/topic", "broker:1883", ""] {
            assert!(mqtt_url(illegal).is_err(), "{illegal}");
        }
    }
}

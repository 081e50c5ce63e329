//! What is subscribed to, shared with other servers or not.

use rumqttc::mqttbytes::{matches, valid_filter};

use super::SetupError;

/// What stands before the group in a filter that is shared: `$share/GROUP/FILTER`.
const SHARED: &str = "$share/";

/// Topic filters, one at least.
#[derive(Clone, Debug)]
pub(super) struct Topics(Vec<String>);

impl Topics {
    pub(super) fn new(filters: Vec<String>) -> Result<Self, SetupError> {
        if filters.is_empty() {
            return Err(SetupError::NoTopics);
        }
        let illegal = |filter: &&String| {
            let plain = plain(filter);
            !valid_filter(plain) || plain.starts_with(SHARED)
        };
        match filters.iter().find(illegal) {
            Some(filter) => Err(SetupError::Topic(filter.clone())),
            None => Ok(Self(filters)),
        }
    }

    /// As the broker is told.
    pub(super) fn filters(&self) -> &[String] {
        &self.0
    }

    /// Whether a message on this topic is one that was asked for. A broker that kept the session
    /// also kept the subscriptions of earlier settings.
    pub(super) fn wants(&self, topic: &str) -> bool {
        self.0.iter().any(|filter| matches(topic, plain(filter)))
    }

    /// The filters that are shared now and may not have been before. Subscribed to by itself as
    /// well, each would bring everything that the others of the group get.
    pub(super) fn no_longer_alone(&self) -> impl Iterator<Item = &str> {
        let shared = self.0.iter().filter(|filter| filter.starts_with(SHARED));
        shared
            .map(|filter| plain(filter))
            .filter(|plain| !self.0.iter().any(|other| other == plain))
    }
}

/// The filter that topics are compared with.
fn plain(filter: &str) -> &str {
    let shared = filter.strip_prefix(SHARED).and_then(|rest| rest.split_once('/'));
    match shared {
        Some((group, plain)) if !group.is_empty() && !group.contains(['+', '#']) => plain,
        _ => filter,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topics(filters: &[&str]) -> Result<Topics, SetupError> {
        Topics::new(filters.iter().map(|&filter| filter.to_owned()).collect())
    }

    #[test]
    fn a_shared_filter_wants_what_the_filter_in_it_matches() {
        let topics = topics(&["$share/maps/msh/EU_868/#", "mine/+"]).unwrap();
        for wanted in ["msh/EU_868/2/e/LongFast/!1", "mine/a"] {
            assert!(topics.wants(wanted), "{wanted}");
        }
        for unwanted in ["msh/US/2/e/LongFast/!1", "$share/maps/msh/EU_868/1", "mine/a/b"] {
            assert!(!topics.wants(unwanted), "{unwanted}");
        }
    }

    #[test]
    fn what_is_shared_is_not_had_alone_unless_asked_for() {
        let both = topics(&["$share/maps/a/#", "$share/maps/b/#", "b/#"]).unwrap();
        assert_eq!(both.no_longer_alone().collect::<Vec<_>>(), ["a/#"]);
    }

    #[test]
    fn a_shared_filter_has_a_group_and_a_filter() {
        for illegal in ["$share/maps", "$share/maps/", "$share//a", "$share/+/a", "$share/g/a/#/b"]
        {
            assert!(matches!(topics(&[illegal]), Err(SetupError::Topic(_))), "{illegal}");
        }
        assert!(matches!(topics(&[]), Err(SetupError::NoTopics)));
    }
}

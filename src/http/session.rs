//! What a client's message asks for: pure, so that it can be tested without a socket.

use bytes::Bytes;

use super::{
    filter::InvalidFilter,
    frames::encode,
    protocol::{ClientMessage, ErrorCode, ServerMessage},
};
use crate::{
    broadcast::Cursor,
    domain::{Filter, Revision, Timestamp},
};

/// What is to be done about a message.
#[derive(Debug, PartialEq)]
pub(super) enum Action {
    /// Show what matches this filter, from the cursor on.
    Subscribe(Filter, Option<Cursor>),
    /// Show nothing more.
    Unsubscribe,
    /// Show everything again.
    Snapshot,
    /// Say this.
    Answer(Bytes),
}

/// One client's side of the conversation.
#[derive(Debug, Default)]
pub(super) struct Session {
    subscribed: bool,
}

impl Session {
    /// What a text frame asks for. A mistake is answered, and the connection goes on.
    pub(super) fn on_text(&mut self, text: &str, now: Timestamp) -> Action {
        match self.understand(text, now) {
            Ok(action) => action,
            Err(InvalidFilter { code, message }) => {
                Action::Answer(encode(&ServerMessage::Error { code, message }))
            }
        }
    }

    /// The client is subscribed by its URL.
    pub(super) fn on_query(&mut self, filter: Filter) -> Action {
        self.subscribed = true;
        Action::Subscribe(filter, None)
    }

    /// A binary frame, which nobody asked for.
    pub(super) fn on_binary() -> Action {
        let message = "this connection speaks JSON in text frames".to_owned();
        Action::Answer(encode(&ServerMessage::Error { code: ErrorCode::BinaryFrame, message }))
    }

    fn understand(&mut self, text: &str, now: Timestamp) -> Result<Action, InvalidFilter> {
        let wrong = |code, message| Err(InvalidFilter { code, message });
        let message = match serde_json::from_str(text) {
            Ok(message) => message,
            Err(error) => return wrong(ErrorCode::InvalidMessage, error.to_string()),
        };
        Ok(match message {
            ClientMessage::Subscribe { filter, resume } => {
                let filter = Filter::try_from(filter.unwrap_or_default())?;
                self.subscribed = true;
                let resume = resume.map(|resume| Cursor {
                    epoch: resume.epoch,
                    revision: Revision(resume.revision),
                });
                Action::Subscribe(filter, resume)
            }
            ClientMessage::Unsubscribe => {
                self.subscribed = false;
                Action::Unsubscribe
            }
            ClientMessage::RequestSnapshot if !self.subscribed => {
                return wrong(ErrorCode::NotSubscribed, "subscribe first".to_owned());
            }
            ClientMessage::RequestSnapshot => Action::Snapshot,
            ClientMessage::Ping { id } => {
                Action::Answer(encode(&ServerMessage::Pong { id, time: now.as_millis() }))
            }
            ClientMessage::Unknown => {
                let known = "subscribe, unsubscribe, request_snapshot, ping";
                return wrong(ErrorCode::UnknownType, format!("known types are {known}"));
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Bounds, MessageTypes, NodeId};

    fn on(text: &str) -> Action {
        Session::default().on_text(text, Timestamp::from_millis(5))
    }

    fn error_code(action: &Action) -> Option<String> {
        let Action::Answer(bytes) = action else { return None };
        let value: serde_json::Value = serde_json::from_slice(bytes).unwrap();
        value["code"].as_str().map(str::to_owned)
    }

    #[test]
    fn a_subscription_carries_its_filter_and_its_cursor() {
        let action = on(r#"{"type":"subscribe","filter":{
            "bounds":{"north":41,"south":40,"east":-73,"west":-75},
            "nodeIds":["!A1B2C3D4"],"messageTypes":["node","position"]},
            "resume":{"epoch":"e","revision":8123},"later":true}"#);
        let filter = Filter {
            bounds: Some(Bounds::new(41.0, 40.0, -73.0, -75.0).unwrap()),
            node_ids: None,
            types: MessageTypes::NODE.or(MessageTypes::POSITION),
        };
        let cursor = Cursor { epoch: "e".to_owned(), revision: Revision(8123) };
        let filter = filter.with_node_ids([NodeId::Radio(0xa1b2_c3d4)]);
        assert_eq!(action, Action::Subscribe(filter, Some(cursor)));
        assert_eq!(on(r#"{"type":"subscribe"}"#), Action::Subscribe(Filter::default(), None));
    }

    #[test]
    fn a_ping_is_answered_with_its_id() {
        let Action::Answer(pong) = on(r#"{"type":"ping","id":7}"#) else { panic!("no answer") };
        assert_eq!(&pong[..], br#"{"type":"pong","id":7,"time":5}"#);
    }

    #[test]
    fn every_mistake_has_its_own_code() {
        let mistakes = [
            ("", "invalid_message"),
            ("[1]", "invalid_message"),
            (r#"{"type":"subscribe","filter":{"bounds":{"north":1}}}"#, "invalid_message"),
            (r#"{"type":"subscribe","filter":{"messageTypes":["weather"]}}"#, "invalid_message"),
            (r#"{"type":"dance"}"#, "unknown_type"),
            (r#"{"type":"request_snapshot"}"#, "not_subscribed"),
            (r#"{"type":"subscribe","filter":{"nodeIds":[""]}}"#, "invalid_node_ids"),
            (
                r#"{"type":"subscribe","filter":{"bounds":{"north":1,"south":2,"east":0,"west":0}}}"#,
                "invalid_bounds",
            ),
            (
                r#"{"type":"subscribe","filter":{"bounds":{"north":1,"south":0,"east":999,"west":0}}}"#,
                "invalid_bounds",
            ),
        ];
        for (text, code) in mistakes {
            assert_eq!(error_code(&on(text)).as_deref(), Some(code), "{text}");
        }
        assert_eq!(error_code(&Session::on_binary()).as_deref(), Some("binary_frame"));
    }

    #[test]
    fn json_too_deep_to_read_is_a_mistake_like_any_other() {
        let deep =
            format!(r#"{{"type":"subscribe","filter":{}1{}}}"#, "[".repeat(9999), "]".repeat(9999));
        assert_eq!(error_code(&on(&deep)).as_deref(), Some("invalid_message"));
    }
}

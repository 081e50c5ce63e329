//! What a client's message asks for: pure, so that it can be tested without a socket.

use serde_json::Number;

use super::{
    filter::InvalidFilter,
    proto,
    protocol::{ClientMessage, ErrorCode},
};
use crate::{
    broadcast::{Cursor, Encoding},
    domain::{Filter, Revision},
};

/// How a client reads the nodes of snapshots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum NodeForm {
    /// One by one.
    #[default]
    Records,
    /// In columns, as far as there are any in its encoding.
    Columns,
}

/// What is to be done about a message.
#[derive(Debug, PartialEq)]
pub(super) enum Action {
    /// Show what matches this filter, from the cursor on.
    Subscribe(Filter, Option<Cursor>, NodeForm),
    /// Show nothing more.
    Unsubscribe,
    /// Show everything again.
    Snapshot,
    /// Answer a ping with this id.
    Pong(Option<Number>),
    /// Say what was wrong.
    Refuse(InvalidFilter),
}

impl Action {
    /// The type of the message that asked for it.
    pub(super) const fn asked_by(&self) -> &'static str {
        match self {
            Self::Subscribe(..) => "subscribe",
            Self::Unsubscribe => "unsubscribe",
            Self::Snapshot => "request_snapshot",
            Self::Pong(_) => "ping",
            Self::Refuse(_) => "mistake",
        }
    }
}

/// One client's side of the conversation.
#[derive(Debug, Default)]
pub(super) struct Session {
    encoding: Encoding,
    subscribed: bool,
    form: NodeForm,
}

impl Session {
    /// One who speaks this encoding. Text is understood from everybody.
    pub(super) fn new(encoding: Encoding) -> Self {
        Self { encoding, ..Self::default() }
    }

    /// How it reads the nodes of snapshots.
    pub(super) fn form(&self) -> NodeForm {
        self.form
    }

    /// Takes note of what is acted upon, and so was not refused.
    pub(super) fn note(&mut self, action: &Action) {
        match action {
            Action::Subscribe(_, _, form) => (self.subscribed, self.form) = (true, *form),
            Action::Unsubscribe => self.subscribed = false,
            Action::Snapshot | Action::Pong(_) | Action::Refuse(_) => {}
        }
    }

    /// What a text frame asks for. A mistake is answered, and the connection goes on.
    pub(super) fn on_text(&self, text: &str) -> Action {
        self.on_message(serde_json::from_str(text).map_err(|error| error.to_string()))
    }

    /// What a binary frame asks for.
    pub(super) fn on_binary(&self, bytes: &[u8]) -> Action {
        match self.encoding {
            Encoding::Proto => self.on_message(proto::decode(bytes)),
            Encoding::Json => {
                let message = "this connection speaks JSON in text frames".to_owned();
                Action::Refuse(InvalidFilter { code: ErrorCode::BinaryFrame, message })
            }
        }
    }

    /// The client is subscribed by its URL.
    pub(super) fn on_query(filter: Filter) -> Action {
        Action::Subscribe(filter, None, NodeForm::Records)
    }

    fn on_message(&self, message: Result<ClientMessage, String>) -> Action {
        let code = ErrorCode::InvalidMessage;
        let message = message.map_err(|message| InvalidFilter { code, message });
        message.and_then(|message| self.understand(message)).unwrap_or_else(Action::Refuse)
    }

    fn understand(&self, message: ClientMessage) -> Result<Action, InvalidFilter> {
        let wrong = |code, message| Err(InvalidFilter { code, message });
        Ok(match message {
            ClientMessage::Subscribe { filter, resume, columns } => {
                let filter = Filter::try_from(filter.unwrap_or_default())?;
                let resume = resume.map(|resume| Cursor {
                    epoch: resume.epoch,
                    revision: Revision(resume.revision),
                });
                let form = if columns { NodeForm::Columns } else { NodeForm::Records };
                Action::Subscribe(filter, resume, form)
            }
            ClientMessage::Unsubscribe => Action::Unsubscribe,
            ClientMessage::RequestSnapshot if !self.subscribed => {
                return wrong(ErrorCode::NotSubscribed, "subscribe first".to_owned());
            }
            ClientMessage::RequestSnapshot => Action::Snapshot,
            ClientMessage::Ping { id } => Action::Pong(id),
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
        Session::default().on_text(text)
    }

    fn error_code(action: &Action) -> Option<String> {
        let Action::Refuse(invalid) = action else { return None };
        serde_json::to_value(invalid.code).unwrap().as_str().map(str::to_owned)
    }

    #[test]
    fn a_subscription_carries_its_filter_and_its_cursor() {
        let action = on(r#"{"type":"subscribe","filter":{
            "bounds":{"north":41,"south":40,"east":-73,"west":-75},
            "nodeIds":["!A1B2C3D4"],"messageTypes":["node","position"]},
            "resume":{"epoch":"e","revision":8123},"later":true}"#);
        let filter = Filter {
            bounds: Some(Bounds::new(41.0, 40.0, -73.0, -75.0).unwrap().into()),
            types: MessageTypes::NODE.or(MessageTypes::POSITION),
            ..Filter::default()
        };
        let cursor = Cursor { epoch: "e".to_owned(), revision: Revision(8123) };
        let filter = filter.with_node_ids([NodeId::Radio(0xa1b2_c3d4)]);
        assert_eq!(action, Action::Subscribe(filter, Some(cursor), NodeForm::Records));
        let everything = |form| Action::Subscribe(Filter::default(), None, form);
        assert_eq!(on(r#"{"type":"subscribe"}"#), everything(NodeForm::Records));
        let in_columns = r#"{"type":"subscribe","columns":true}"#;
        assert_eq!(on(in_columns), everything(NodeForm::Columns));
    }

    #[test]
    fn what_is_refused_changes_nothing() {
        let mut session = Session::default();
        let again = r#"{"type":"request_snapshot"}"#;
        let in_columns = session.on_text(r#"{"type":"subscribe","columns":true}"#);
        assert_eq!(error_code(&session.on_text(again)).as_deref(), Some("not_subscribed"));
        assert_eq!(session.form(), NodeForm::Records);
        session.note(&in_columns);
        assert_eq!(session.on_text(again), Action::Snapshot);
        assert_eq!(session.form(), NodeForm::Columns);
        let records = session.on_text(r#"{"type":"subscribe"}"#);
        assert_eq!(session.form(), NodeForm::Columns);
        session.note(&records);
        assert_eq!(session.form(), NodeForm::Records);
        let nothing = session.on_text(r#"{"type":"unsubscribe"}"#);
        session.note(&nothing);
        assert_eq!(error_code(&session.on_text(again)).as_deref(), Some("not_subscribed"));
    }

    #[test]
    fn a_ping_is_answered_with_its_id() {
        assert_eq!(on(r#"{"type":"ping","id":7}"#), Action::Pong(Some(7.into())));
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
        assert_eq!(error_code(&Session::default().on_binary(b"")).as_deref(), Some("binary_frame"));
    }

    #[test]
    fn json_too_deep_to_read_is_a_mistake_like_any_other() {
        let deep =
            format!(r#"{{"type":"subscribe","filter":{}1{}}}"#, "[".repeat(9999), "]".repeat(9999));
        assert_eq!(error_code(&on(&deep)).as_deref(), Some("invalid_message"));
    }
}

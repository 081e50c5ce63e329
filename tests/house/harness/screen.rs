//! A client that knows protocol 1 and nothing else.

use std::collections::BTreeMap;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, protocol::CloseFrame},
};

use super::DEADLINE;

pub(crate) struct Screen {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    pub(crate) hello: Value,
    /// What it shows, by id.
    pub(crate) nodes: BTreeMap<String, Value>,
    pub(crate) messages: Vec<Value>,
    pub(crate) revision: u64,
    in_parts: bool,
}

impl Screen {
    pub(crate) async fn connect(url: &str) -> Self {
        let (socket, _) = connect_async(url).await.unwrap();
        let mut screen = Self {
            socket,
            hello: Value::Null,
            nodes: BTreeMap::new(),
            messages: Vec::new(),
            revision: 0,
            in_parts: false,
        };
        screen.hello = screen.next().await;
        assert_eq!(screen.hello["type"], "hello");
        screen
    }

    pub(crate) async fn say(&mut self, message: Value) {
        self.say_raw(Message::text(message.to_string())).await;
    }

    pub(crate) async fn say_raw(&mut self, message: Message) {
        self.socket.send(message).await.unwrap();
    }

    pub(crate) async fn subscribe(&mut self, filter: Value) {
        self.say(json!({ "type": "subscribe", "filter": filter })).await;
    }

    /// The next message, applied to what the screen shows.
    pub(crate) async fn next(&mut self) -> Value {
        match self.receive().await {
            Ok(message) => message,
            Err(close) => panic!("hung up: {close:?}"),
        }
    }

    /// Waits for the server to hang up, and says how.
    pub(crate) async fn closed(&mut self) -> Option<CloseFrame> {
        loop {
            if let Err(close) = self.receive().await {
                return close;
            }
        }
    }

    async fn receive(&mut self) -> Result<Value, Option<CloseFrame>> {
        loop {
            let Ok(message) = timeout(DEADLINE, self.socket.next()).await else {
                panic!("nothing more is said; the screen shows {} nodes", self.nodes.len());
            };
            match message {
                Some(Ok(Message::Text(text))) => {
                    let message: Value = serde_json::from_str(&text).unwrap();
                    self.apply(&message);
                    return Ok(message);
                }
                Some(Ok(Message::Close(close))) => return Err(close),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(None),
            }
        }
    }

    /// Reads until a message of this type, and returns it.
    pub(crate) async fn until(&mut self, kind: &str) -> Value {
        loop {
            let message = self.next().await;
            if message["type"] == kind {
                return message;
            }
        }
    }

    /// Reads until what is shown is as expected.
    pub(crate) async fn shows(&mut self, expected: impl Fn(&Self) -> bool) {
        while !expected(self) {
            self.next().await;
        }
    }

    fn apply(&mut self, message: &Value) {
        let list = |name: &str| message[name].as_array().cloned().unwrap_or_default();
        if let Some(revision) = message["revision"].as_u64() {
            assert!(revision >= self.revision, "a revision goes back: {message}");
            self.revision = revision;
        }
        self.messages.extend(list("messages"));
        match message["type"].as_str().unwrap() {
            "snapshot" => {
                if message["full"] == true && !self.in_parts {
                    self.nodes.clear();
                }
                self.in_parts = message["more"] == true;
                self.remove(&list("removed"));
                self.replace(list("nodes"));
            }
            "node_enter" => self.replace(list("nodes")),
            "node_leave" => self.remove(&list("ids")),
            "node_update" | "node_status" => {
                for record in list("nodes") {
                    merge(self.held(&record), &record);
                }
            }
            "telemetry_update" => {
                for record in list("telemetry") {
                    let held = self.held(&record);
                    if held["telemetry"].is_null() {
                        held["telemetry"] = json!({});
                    }
                    merge(&mut held["telemetry"], &record);
                    held["telemetry"].as_object_mut().unwrap().remove("id");
                }
            }
            "position_update" => {
                for mut record in list("positions") {
                    let held = self.held(&record);
                    record.as_object_mut().unwrap().remove("id");
                    held["position"] = record;
                }
            }
            "hello" | "message" | "pong" | "error" => {}
            other => panic!("protocol 1 has no {other}"),
        }
    }

    fn held(&mut self, record: &Value) -> &mut Value {
        let id = record["id"].as_str().unwrap();
        self.nodes.get_mut(id).unwrap_or_else(|| panic!("an update of {id}, which is not shown"))
    }

    fn replace(&mut self, records: Vec<Value>) {
        for record in records {
            self.nodes.insert(record["id"].as_str().unwrap().to_owned(), record);
        }
    }

    fn remove(&mut self, ids: &[Value]) {
        for id in ids {
            self.nodes.remove(id.as_str().unwrap());
        }
    }
}

fn merge(target: &mut Value, fields: &Value) {
    for (name, value) in fields.as_object().unwrap() {
        if value.is_null() {
            target.as_object_mut().unwrap().remove(name);
        } else {
            target[name] = value.clone();
        }
    }
}

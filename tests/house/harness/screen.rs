//! A client that knows protocol 1 and nothing else.

use std::ops::Deref;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, client::IntoClientRequest, protocol::CloseFrame},
};

use super::{DEADLINE, Mirror};

pub(crate) struct Screen {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    pub(crate) hello: Value,
    mirror: Mirror,
}

impl Deref for Screen {
    type Target = Mirror;

    fn deref(&self) -> &Mirror {
        &self.mirror
    }
}

impl Screen {
    pub(crate) async fn connect(url: &str) -> Self {
        Self::ask(url).await
    }

    /// Connects with a request of one's own.
    pub(crate) async fn ask(request: impl IntoClientRequest + Unpin) -> Self {
        let (socket, _) = connect_async(request).await.unwrap();
        let mut screen = Self { socket, hello: Value::Null, mirror: Mirror::default() };
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
                    self.mirror.apply(&message);
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
}

//! A client on the bad network: it knows the rules of the protocol and nothing else.

use std::time::Duration;

use fastrand::Rng;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep_until, timeout},
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message, client::IntoClientRequest, http::HeaderValue},
};

use super::{line::End, network::Network};
use crate::{
    broadcast::Encoding,
    domain::{Filter, Groups, MessageTypes},
    http::reader::{Binary, Mirror},
};

/// How long a handshake may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// An absence without an end.
const LONG: Duration = Duration::from_hours(1000);

/// What a client is told to do.
pub(super) enum Order {
    /// Show this, at once.
    Subscribe(Filter),
    /// Show this, and name the cursor besides if it is known.
    Move(Filter),
    /// Forget everything and ask for it again.
    AskAgain,
    Unsubscribe,
    /// Stop reading.
    Stall,
    /// Read again.
    Drain,
    /// Come back, if the connection is lost.
    Return,
    /// Say what is held.
    Show(oneshot::Sender<Shown>),
}

/// What a client holds.
pub(super) struct Shown {
    /// What it asks for.
    pub(super) filter: Option<Filter>,
    /// Whether it is connected and has asked for that.
    pub(super) is_settled: bool,
    pub(super) mirror: Mirror,
    /// Whether the last picture was a difference.
    pub(super) resumed: bool,
    /// The codes with which the server hung up so far.
    pub(super) codes: Vec<u16>,
}

pub(super) struct Client {
    number: usize,
    encoding: Encoding,
    network: Network,
    rng: Rng,
    socket: Option<WebSocketStream<End>>,
    /// What it wants to see.
    wanted: Option<Filter>,
    /// What the last request on this connection asked for.
    asked: Option<Filter>,
    mirror: Mirror,
    binary: Binary,
    /// That of the last picture.
    epoch: String,
    resumed: bool,
    codes: Vec<u16>,
    stalled: bool,
    /// When it connects again.
    returns_at: Instant,
}

impl Client {
    pub(super) fn new(number: usize, network: Network, rng: Rng) -> Self {
        Self {
            number,
            encoding: if number.is_multiple_of(2) { Encoding::Json } else { Encoding::Proto },
            network,
            rng,
            socket: None,
            wanted: None,
            asked: None,
            mirror: Mirror::default(),
            binary: Binary::default(),
            epoch: String::new(),
            resumed: false,
            codes: Vec::new(),
            stalled: false,
            returns_at: Instant::now(),
        }
    }

    pub(super) async fn live(mut self, mut orders: mpsc::Receiver<Order>) {
        loop {
            let is_away = self.socket.is_none() && self.wanted.is_some();
            let reads = self.socket.is_some() && !self.stalled;
            select! {
                order = orders.recv() => match order {
                    Some(order) => self.obey(order).await,
                    None => return,
                },
                () = sleep_until(self.returns_at), if is_away => self.connect().await,
                () = self.read(), if reads => {}
            }
        }
    }

    async fn obey(&mut self, order: Order) {
        let settled = self.mirror.unanswered == 0 && self.asked.is_some();
        match order {
            Order::Subscribe(filter) => {
                self.wanted = Some(filter);
                self.subscribe(None).await;
            }
            Order::Move(filter) => {
                self.wanted = Some(filter);
                self.subscribe(self.cursor().filter(|_| settled)).await;
            }
            Order::AskAgain if self.socket.is_some() && self.asked.is_some() => {
                self.mirror.unanswered += 1;
                self.mirror.lost = true;
                self.mirror.held.clear();
                self.say(json!({ "type": "request_snapshot" })).await;
            }
            Order::Unsubscribe if self.socket.is_some() => {
                (self.wanted, self.asked, self.mirror.revision) = (None, None, None);
                self.say(json!({ "type": "unsubscribe" })).await;
            }
            Order::AskAgain | Order::Unsubscribe => {}
            Order::Stall => self.stalled = true,
            Order::Drain => self.stalled = false,
            Order::Return => self.returns_at = Instant::now(),
            Order::Show(reply) => {
                self.mirror.unanswered = 0;
                drop(reply.send(Shown {
                    filter: self.wanted.clone(),
                    is_settled: self.socket.is_some() && self.asked == self.wanted,
                    mirror: self.mirror.clone(),
                    resumed: self.resumed,
                    codes: self.codes.clone(),
                }));
            }
        }
    }

    async fn connect(&mut self) {
        self.mirror.newest = 0;
        self.mirror.unanswered = 0;
        self.stalled = false;
        let mut request = "ws://simulation/api/ws".into_client_request().unwrap();
        if self.encoding == Encoding::Proto {
            let name = HeaderValue::from_static("geocast.v1.proto");
            request.headers_mut().insert("sec-websocket-protocol", name);
        }
        let Ok(end) = self.network.connect(self.number) else { return self.lose("refused") };
        match timeout(PATIENCE, client_async(request, end)).await {
            Ok(Ok((socket, _))) => self.socket = Some(socket),
            Ok(Err(_)) => return self.lose("handshake"),
            Err(_) => return self.lose("no handshake"),
        }
        // A cursor is for the filter that it was got with: another one is asked for afterwards.
        let held = self.asked.clone().filter(|_| self.mirror.revision.is_some());
        match (held, self.cursor()) {
            (Some(held), Some(cursor)) => {
                let wanted = self.wanted.replace(held.clone());
                self.subscribe(Some(cursor)).await;
                self.wanted = wanted;
            }
            _ => self.subscribe(None).await,
        }
    }

    /// Asks for what is wanted.
    async fn subscribe(&mut self, resume: Option<Value>) {
        let (Some(wanted), true) = (self.wanted.clone(), self.socket.is_some()) else { return };
        self.mirror.unanswered += 1;
        let filter = words(&wanted);
        self.asked = Some(wanted);
        let columns = self.rng.bool();
        self.say(json!({
            "type": "subscribe", "filter": filter, "resume": resume, "columns": columns
        }))
        .await;
    }

    fn cursor(&self) -> Option<Value> {
        let revision = self.mirror.revision?;
        Some(json!({ "epoch": self.epoch, "revision": revision }))
    }

    async fn say(&mut self, message: Value) {
        let Some(socket) = &mut self.socket else { return };
        // A server that is not read from may not read either.
        let sent = timeout(PATIENCE, socket.send(Message::text(message.to_string()))).await;
        if !matches!(sent, Ok(Ok(()))) {
            self.lose("sending");
        }
    }

    /// The next frame, applied to what is held.
    async fn read(&mut self) {
        let socket = self.socket.as_mut().unwrap();
        let frame = match socket.next().await {
            Some(Ok(Message::Text(text))) => text.as_bytes().to_vec(),
            Some(Ok(Message::Binary(bytes))) => bytes.to_vec(),
            Some(Ok(Message::Close(frame))) => {
                let code = frame.map(|frame| u16::from(frame.code));
                self.codes.extend(code);
                return self.lose("closed");
            }
            Some(Ok(_)) => return,
            Some(Err(_)) | None => return self.lose("broken"),
        };
        let message = self.binary.message(self.encoding, &frame, &self.mirror).unwrap();
        let (kind, revision) = (&message["type"], &message["revision"]);
        let (number, length) = (self.number, frame.len());
        self.network.note(format_args!("{number} hears {kind} {revision} of {length} bytes"));
        match message["type"].as_str().unwrap() {
            "hello" => return,
            "snapshot" => {
                message["epoch"].as_str().unwrap().clone_into(&mut self.epoch);
                self.resumed = message["full"] == false;
            }
            _ => {}
        }
        self.mirror.hear(&message).unwrap();
        // Not when all requests are answered: several in a row may have one answer.
        let answered = message["type"] == "snapshot" && message["more"] != true;
        if answered && self.asked != self.wanted {
            self.subscribe(None).await;
        }
    }

    fn lose(&mut self, why: &str) {
        self.network.note(format_args!("{} loses its connection: {why}", self.number));
        self.socket = None;
        self.mirror.in_parts = false;
        if self.mirror.unanswered > 0 {
            self.mirror.revision = None;
        }
        let soon = Duration::from_millis(self.rng.u64(50..3000));
        self.returns_at = Instant::now() + if self.rng.u8(..4) == 0 { LONG } else { soon };
    }
}

/// A filter as it goes over the wire.
fn words(filter: &Filter) -> Value {
    let mut words = json!({});
    if let Some(area) = &filter.bounds {
        let rectangles = area.rectangles().iter().map(|bounds| {
            let [north, south, east, west] = bounds.edges();
            json!({ "north": north, "south": south, "east": east, "west": west })
        });
        words["bounds"] = rectangles.collect();
    }
    if let Some(ids) = &filter.node_ids {
        words["nodeIds"] = ids.iter().map(ToString::to_string).collect();
    }
    words["alsoIds"] = filter.also_ids.iter().map(ToString::to_string).collect();
    if filter.types != MessageTypes::ALL {
        let groups = [
            ("node", Groups::INFO),
            ("position", Groups::POSITION),
            ("telemetry", Groups::TELEMETRY),
            ("status", Groups::STATUS),
        ];
        let asked = groups.iter().filter(|(_, group)| filter.types.groups().intersects(*group));
        let messages = filter.types.messages().then_some("message");
        words["messageTypes"] = asked.map(|(name, _)| *name).chain(messages).collect();
    }
    if let Some(zoom) = filter.cells {
        words["cells"] = json!({ "zoom": zoom.get() });
    }
    words
}

//! Protocol 1 in binary frames, with a client that is made from what the server publishes.

use futures_util::{SinkExt, StreamExt, future::ready};
use protox::{
    Compiler,
    file::{File, FileResolver},
    prost_reflect::{DescriptorPool, DynamicMessage, Value, prost::Message as _},
};
use tempfile::TempDir;
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Bytes, Message, client::IntoClientRequest},
};

use crate::harness::{DEADLINE, Gateway, Geocast, Radio};

const TRUCK: Radio = Radio(0x7a0c_0001);

/// The one file there is.
struct Published(String);

impl FileResolver for Published {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        File::from_source(name, &self.0)
    }
}

async fn description(geocast: &Geocast) -> DescriptorPool {
    let published = geocast.get("/api/geocast.v1.proto").await.text().await.unwrap();
    let mut compiler = Compiler::with_file_resolver(Published(published));
    compiler.open_file("geocast.v1.proto").unwrap();
    compiler.descriptor_pool()
}

pub(crate) struct Client {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    description: DescriptorPool,
    subprotocol: String,
}

impl Client {
    pub(crate) async fn connect(geocast: &Geocast, offers: &str) -> Self {
        let url = format!("ws://{}/api/ws", geocast.address);
        let mut request = url.into_client_request().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", offers.parse().unwrap());
        let (socket, answer) = connect_async(request).await.unwrap();
        let subprotocol = answer.headers()["sec-websocket-protocol"].to_str().unwrap().to_owned();
        Self { socket, description: description(geocast).await, subprotocol }
    }

    fn message(&self, name: &str) -> DynamicMessage {
        let name = format!("geocast.v1.{name}");
        DynamicMessage::new(self.description.get_message_by_name(&name).unwrap())
    }

    async fn send(&mut self, message: Message) {
        self.socket.send(message).await.unwrap();
    }

    /// Says a message of this kind.
    async fn say(&mut self, kind: &str, message: DynamicMessage) {
        let mut whole = self.message("ClientMessage");
        whole.set_field_by_name(kind, Value::Message(message));
        self.send(Message::binary(whole.encode_to_vec())).await;
    }

    /// Subscribes to everything.
    pub(crate) async fn subscribe(&mut self) {
        let subscribe = self.message("Subscribe");
        self.say("subscribe", subscribe).await;
    }

    /// The bytes of the next message.
    pub(crate) async fn frame(&mut self) -> Bytes {
        loop {
            let frame = timeout(DEADLINE, self.socket.next()).await.unwrap().unwrap().unwrap();
            assert!(!frame.is_text(), "{frame:?}");
            if let Message::Binary(bytes) = frame {
                return bytes;
            }
        }
    }

    /// The next message of this kind.
    pub(crate) async fn until(&mut self, kind: &str) -> DynamicMessage {
        loop {
            let bytes = self.frame().await;
            let mut message = self.message("ServerMessage");
            message.merge(bytes).unwrap();
            if message.has_field_by_name(kind) {
                return field(&message, kind).as_message().unwrap().clone();
            }
        }
    }

    /// The next list of nodes of this kind that holds one.
    async fn node(&mut self, kind: &str) -> DynamicMessage {
        let list = self.until(kind).await;
        field(&list, "nodes").as_list().unwrap()[0].as_message().unwrap().clone()
    }
}

fn field(message: &DynamicMessage, name: &str) -> Value {
    message.get_field_by_name(name).unwrap().into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_made_from_the_published_description_follows_a_node() {
    let folder = TempDir::new().unwrap();
    let mut geocast = Geocast::with_broker(folder.path()).await;
    let mut gateway = Gateway::connect(geocast.broker().await);
    let mut client = Client::connect(&geocast, "geocast.v9, geocast.v1.proto").await;
    assert_eq!(client.subprotocol, "geocast.v1.proto");
    let hello = client.until("hello").await;
    assert_eq!(field(&hello, "protocol"), Value::U32(1));
    client.subscribe().await;
    let snapshot = client.until("snapshot").await;
    assert_eq!(field(&snapshot, "full"), Value::Bool(true));
    assert_eq!(field(&snapshot, "epoch"), field(&hello, "epoch"));

    gateway.publish(TRUCK.at(1.0, 2.0));
    let enter = client.node("node_enter").await;
    assert_eq!(field(&enter, "id"), Value::String(TRUCK.id()));
    assert!(enter.has_field_by_name("position"), "a whole record: {enter:?}");
    gateway.publish(TRUCK.named("Eight", "T8"));
    let update = client.node("node_update").await;
    assert_eq!(field(&update, "number"), field(&enter, "number"));
    assert_eq!(field(&update, "long_name"), Value::String("Eight".to_owned()));
    assert!(!update.has_field_by_name("id"), "only what changed: {update:?}");
    gateway.publish(TRUCK.at(1.5, 2.0));
    let moved = client.until("position_update").await;
    assert_eq!(field(&moved, "count"), Value::U32(1));
    assert_eq!(field(&moved, "relative"), Value::Bool(true));
    assert!(!moved.has_field_by_name("longitudes"), "what stays takes no bytes: {moved:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_of_snapshots_stand_in_columns_for_those_who_ask_for_it() {
    let folder = TempDir::new().unwrap();
    let mut geocast = Geocast::with_broker(folder.path()).await;
    let mut gateway = Gateway::connect(geocast.broker().await);
    let mut first = Client::connect(&geocast, "geocast.v1.proto").await;
    first.subscribe().await;
    first.until("snapshot").await;
    let radios: Vec<_> = (1..=5).map(|number| Radio(0x7a0c_0000 + number)).collect();
    for radio in &radios {
        gateway.publish(radio.named(&format!("Hill {}", radio.0 & 0xff), "H"));
        let enter = first.node("node_enter").await;
        assert_eq!(field(&enter, "id"), Value::String(radio.id()));
    }
    let snapshot = async |columns: bool| {
        let mut client = Client::connect(&geocast, "geocast.v1.proto").await;
        let mut subscribe = client.message("Subscribe");
        subscribe.set_field_by_name("columns", Value::Bool(columns));
        client.say("subscribe", subscribe).await;
        client.until("snapshot").await
    };

    let records = snapshot(false).await;
    assert_eq!(field(&records, "nodes").as_list().unwrap().len(), 5);
    assert!(!records.has_field_by_name("columns"), "{records:?}");
    let columns = snapshot(true).await;
    assert!(!columns.has_field_by_name("nodes"), "each node stands there once: {columns:?}");
    let columns = field(&columns, "columns").as_list().unwrap().to_vec();
    let [Value::Message(columns)] = &*columns else { panic!("{columns:?}") };
    assert_eq!(field(columns, "count"), Value::U32(5));
    let ids: Vec<u8> = radios.iter().flat_map(|radio| radio.0.to_be_bytes()).collect();
    assert_eq!(field(columns, "radio_ids"), Value::Bytes(ids.into()));
    let names = field(columns, "long_names").as_message().unwrap().clone();
    assert_eq!(field(&names, "texts"), Value::Bytes("Hill 1Hill 2Hill 3Hill 4Hill 5".into()));
    assert!(!columns.has_field_by_name("positions"), "what nobody has takes no bytes: {columns:?}");
    let status = field(columns, "status").as_message().unwrap().clone();
    assert!(!status.has_field_by_name("numbers"), "the rows are those of the nodes: {status:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_in_binary_are_answered_in_binary() {
    let folder = TempDir::new().unwrap();
    let geocast = Geocast::with_broker(folder.path()).await;
    let mut client = Client::connect(&geocast, "geocast.v1.proto,geocast.v1.json").await;
    let code = |error: &DynamicMessage| field(error, "code").as_str().unwrap().to_owned();

    for (frame, expected) in [
        (&[0xff, 0x00][..], "invalid_message"),
        (&[], "unknown_type"),
        (&[0x7a, 0x00], "unknown_type"),
        (&[0x1a, 0x00], "not_subscribed"),
    ] {
        client.send(Message::binary(frame.to_vec())).await;
        assert_eq!(code(&client.until("error").await), expected, "{frame:?}");
    }
    let mut bounds = client.message("Bounds");
    bounds.set_field_by_name("north", Value::F64(f64::NAN));
    let mut area = client.message("Area");
    area.set_field_by_name("rectangles", Value::List(vec![Value::Message(bounds)]));
    let mut types = client.message("MessageTypes");
    types.set_field_by_name("types", Value::List(vec![Value::EnumNumber(99)]));
    for (part, value, expected) in
        [("bounds", area, "invalid_bounds"), ("message_types", types, "invalid_message")]
    {
        let mut filter = client.message("Filter");
        filter.set_field_by_name(part, Value::Message(value));
        let mut subscribe = client.message("Subscribe");
        subscribe.set_field_by_name("filter", Value::Message(filter));
        client.say("subscribe", subscribe).await;
        assert_eq!(code(&client.until("error").await), expected);
    }

    let mut ping = client.message("Ping");
    ping.set_field_by_name("id", Value::F64(0.5));
    client.say("ping", ping).await;
    assert_eq!(field(&client.until("pong").await, "id"), Value::F64(0.5));
    client.send(Message::text(r#"{"type":"ping","id":7}"#)).await;
    assert_eq!(field(&client.until("pong").await, "id"), Value::F64(7.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_encoding_that_a_client_offers_is_spoken() {
    let folder = TempDir::new().unwrap();
    let geocast = Geocast::with_broker(folder.path()).await;
    let client = Client::connect(&geocast, "geocast.v1.json, geocast.v1.proto").await;
    assert_eq!(client.subprotocol, "geocast.v1.json");
    // The server may ask for a sign of life before it says hello.
    let is_said = |frame: &Message| frame.is_text() || frame.is_binary();
    let mut said = client.socket.filter(|frame| ready(frame.as_ref().is_ok_and(is_said)));
    let hello = timeout(DEADLINE, said.next()).await.unwrap().unwrap().unwrap();
    assert!(hello.is_text());
}

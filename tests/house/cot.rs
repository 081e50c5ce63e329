//! The map as TAK clients are told of it.

use tempfile::TempDir;
use tokio::{io::AsyncReadExt, net::TcpStream, time::timeout};

use std::net::{Ipv4Addr, SocketAddrV4};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;

use crate::harness::{DEADLINE, Gateway, Geocast, Radio};

pub(crate) struct Tak {
    stream: TcpStream,
    pub(crate) heard: String,
}

impl Tak {
    pub(crate) async fn connect(address: &str) -> Self {
        Self { stream: TcpStream::connect(address).await.unwrap(), heard: String::new() }
    }

    /// Reads until this has been said, and returns the event in which it was.
    pub(crate) async fn until(&mut self, text: &str) -> String {
        loop {
            if let Some(at) = self.heard.find(text)
                && let Some(length) = self.heard[at..].find("</event>")
            {
                let start = self.heard[..at].rfind("<event ").unwrap();
                return self.heard[start..at + length].to_owned();
            }
            let mut bytes = [0; 4096];
            let reading = timeout(DEADLINE, self.stream.read(&mut bytes)).await;
            let length = reading.unwrap_or_else(|_| panic!("no {text} in {}", self.heard)).unwrap();
            assert!(length > 0, "hung up before {text} in {}", self.heard);
            self.heard.push_str(std::str::from_utf8(&bytes[..length]).unwrap());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tak_clients_are_told_where_nodes_are_and_where_they_go() {
    let folder = TempDir::new().unwrap();
    let mut geocast = Geocast::with(folder.path(), &["--cot-listen", "127.0.0.1:0"]).await;
    let address = geocast.logged("TAK clients are told on tcp://").await;
    let mut gateway = Gateway::connect(geocast.broker().await);
    gateway.publish(Radio(1).named("\"/><event>", "X"));
    gateway.publish(Radio(1).at(10.0, 11.5));
    gateway.publish(Radio(2).named("Nowhere", "NW"));
    let mut tak = Tak::connect(&address).await;
    let event = tak.until("lat=\"10\" lon=\"11.5\"").await;
    assert!(event.contains("uid=\"geocast-!00000001\""), "{event}");
    assert!(event.contains("callsign=\"&quot;/&gt;&lt;event&gt;\""), "names are data: {event}");
    gateway.publish(Radio(1).at(10.25, 11.75));
    tak.until("lat=\"10.25\" lon=\"11.75\"").await;
    gateway.publish(Radio(3).at(-20.0, 5.0));
    tak.until("uid=\"geocast-!00000003\"").await;
    assert!(!tak.heard.contains("Nowhere"), "who is nowhere is no event: {}", tak.heard);
    let mut late = Tak::connect(&address).await;
    for node in ["!00000001", "!00000003"] {
        late.until(&format!("uid=\"geocast-{node}\"")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tak_clients_of_a_large_map_are_told_of_every_node() {
    const NODES: u32 = 300;
    let folder = TempDir::new().unwrap();
    let mut geocast = Geocast::with(folder.path(), &["--cot-listen", "127.0.0.1:0"]).await;
    let address = geocast.logged("TAK clients are told on tcp://").await;
    let mut gateway = Gateway::connect(geocast.broker().await);
    let at = |node| Radio(node).at(f64::from(node % 50), f64::from(node / 2));
    let positions: Vec<_> = (1..=NODES).map(at).collect();
    gateway.publish_all(positions.iter().map(|(topic, payload)| (&**topic, &**payload)));
    let mut tak = Tak::connect(&address).await;
    for node in 1..=NODES {
        tak.until(&format!("uid=\"geocast-!{node:08x}\"")).await;
    }
}

/// Hears what a group is told on this machine.
fn listen_to(group: Ipv4Addr) -> (UdpSocket, u16) {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP)).unwrap();
    socket.set_nonblocking(true).unwrap();
    // A port that nobody else has.
    socket.bind(&SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0).into()).unwrap();
    socket.join_multicast_v4(&group, &Ipv4Addr::LOCALHOST).unwrap();
    let socket = UdpSocket::from_std(socket.into()).unwrap();
    let port = socket.local_addr().unwrap().port();
    (socket, port)
}

#[tokio::test(flavor = "multi_thread")]
async fn tak_devices_are_told_by_multicast_on_this_machine() {
    let folder = TempDir::new().unwrap();
    let group = Ipv4Addr::new(239, 2, 3, 1);
    let (socket, port) = listen_to(group);
    let settings = ["--cot-multicast", &format!("{group}:{port}")];
    let mut geocast = Geocast::with(folder.path(), &settings).await;
    let mut gateway = Gateway::connect(geocast.broker().await);
    gateway.publish(Radio(1).at(10.0, 11.5));
    gateway.publish(Radio(2).named("Nowhere", "NW"));
    let next = async || {
        let mut bytes = [0; 4096];
        let (length, from) =
            timeout(DEADLINE, socket.recv_from(&mut bytes)).await.unwrap().unwrap();
        assert_eq!(from.ip(), Ipv4Addr::LOCALHOST);
        std::str::from_utf8(&bytes[..length]).unwrap().to_owned()
    };
    let event = next().await;
    assert!(event.contains("uid=\"geocast-!00000001\""), "{event}");
    assert!(event.contains("lat=\"10\" lon=\"11.5\""), "{event}");
    assert_eq!(event.matches("<event ").count(), 1, "one in each datagram: {event}");
    assert!(event.trim_end().ends_with("</event>"), "{event}");
    gateway.publish(Radio(1).at(10.25, 11.75));
    while !next().await.contains("lat=\"10.25\" lon=\"11.75\"") {}
}

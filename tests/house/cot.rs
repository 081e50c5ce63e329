//! The map as TAK clients are told of it.

use tempfile::TempDir;
use tokio::{io::AsyncReadExt, net::TcpStream, time::timeout};

use crate::harness::{DEADLINE, Gateway, Geocast, Radio};

struct Tak {
    stream: TcpStream,
    heard: String,
}

impl Tak {
    async fn connect(address: &str) -> Self {
        Self { stream: TcpStream::connect(address).await.unwrap(), heard: String::new() }
    }

    /// Reads until this has been said, and returns the event in which it was.
    async fn until(&mut self, text: &str) -> String {
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

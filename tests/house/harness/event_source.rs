//! A browser's `EventSource`, by the rules of the HTML standard, that shows what it is told.

use std::{collections::BTreeMap, net::SocketAddr, ops::Deref};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    time::timeout,
};

use super::{DEADLINE, Mirror, raw};

pub(crate) struct EventSource {
    address: SocketAddr,
    path: String,
    stream: BufReader<TcpStream>,
    pub(crate) headers: BTreeMap<String, String>,
    unread: Vec<u8>,
    /// What it says when it comes back, unless it is empty.
    pub(crate) last_event_id: String,
    pub(crate) retry_ms: Option<u64>,
    pub(crate) comments: usize,
    mirror: Mirror,
}

impl Deref for EventSource {
    type Target = Mirror;

    fn deref(&self) -> &Mirror {
        &self.mirror
    }
}

impl EventSource {
    pub(crate) async fn connect(address: SocketAddr, path: &str) -> Self {
        let (stream, headers) = open(address, path, "").await;
        Self {
            address,
            path: path.to_owned(),
            stream,
            headers,
            unread: Vec::new(),
            last_event_id: String::new(),
            retry_ms: None,
            comments: 0,
            mirror: Mirror::default(),
        }
    }

    /// Loses the connection and comes back, as a browser does by itself.
    pub(crate) async fn reconnect(&mut self) {
        self.mirror.interrupt();
        self.unread.clear();
        (self.stream, self.headers) = open(self.address, &self.path, &self.last_event_id).await;
    }

    /// The next message, applied to what is shown; none when the server ends the stream.
    pub(crate) async fn receive(&mut self) -> Option<Value> {
        let (mut data, mut id) = (String::new(), self.last_event_id.clone());
        loop {
            let line = self.line().await?;
            let (field, value) = line.split_once(':').unwrap_or((&line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "" if line.is_empty() => {
                    self.last_event_id.clone_from(&id);
                    if !data.is_empty() {
                        let message = serde_json::from_str(&data).unwrap();
                        self.mirror.apply(&message);
                        return Some(message);
                    }
                }
                "" => self.comments += 1,
                "data" => {
                    assert!(data.is_empty(), "one line of data is enough");
                    value.clone_into(&mut data);
                }
                "id" => value.clone_into(&mut id),
                "retry" => self.retry_ms = value.parse().ok(),
                other => panic!("an EventSource passes over {other}"),
            }
        }
    }

    pub(crate) async fn next(&mut self) -> Value {
        self.receive().await.expect("the stream goes on")
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

    async fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.unread.drain(..=end).collect();
                return Some(String::from_utf8(line[..end].to_vec()).unwrap());
            }
            let chunk = timeout(DEADLINE, self.chunk()).await.expect("more is said");
            self.unread.extend(chunk?);
        }
    }

    /// The next chunk of the body; none after the last.
    async fn chunk(&mut self) -> Option<Vec<u8>> {
        let mut head = String::new();
        self.stream.read_line(&mut head).await.unwrap();
        let length = usize::from_str_radix(head.trim_end(), 16).unwrap();
        let mut chunk = vec![0; length + 2];
        self.stream.read_exact(&mut chunk).await.unwrap();
        chunk.truncate(length);
        Some(chunk).filter(|_| length > 0)
    }
}

async fn open(
    address: SocketAddr,
    path: &str,
    last_event_id: &str,
) -> (BufReader<TcpStream>, BTreeMap<String, String>) {
    let mut stream = BufReader::with_capacity(1024, raw::connect(address).await);
    let id = match last_event_id {
        "" => String::new(),
        id => format!("Last-Event-ID: {id}\r\n"),
    };
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n{id}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut lines = Vec::new();
    while lines.last().is_none_or(|line| line != "\r\n") {
        let mut line = String::new();
        timeout(DEADLINE, stream.read_line(&mut line)).await.unwrap().unwrap();
        lines.push(line);
    }
    assert!(lines[0].starts_with("HTTP/1.1 200"), "{lines:?}");
    let headers = lines.iter().filter_map(|line| line.split_once(": "));
    let headers = headers.map(|(name, value)| (name.to_owned(), value.trim_end().to_owned()));
    (stream, headers.collect())
}

//! A WebSocket without a library, which would answer pings, read ahead, and refuse to do wrong.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

use super::DEADLINE;

pub(crate) const CONTINUATION: u8 = 0x0;
pub(crate) const TEXT: u8 = 0x1;
pub(crate) const CLOSE: u8 = 0x8;
pub(crate) const PING: u8 = 0x9;
pub(crate) const PONG: u8 = 0xa;
/// The last frame of a message.
pub(crate) const FINAL: u8 = 0x80;
/// The frame is masked.
const MASKED: u8 = 0x80;

pub(crate) struct RawSocket {
    pub(crate) stream: TcpStream,
}

impl RawSocket {
    /// Connects, and asks for a WebSocket.
    pub(crate) async fn open(address: SocketAddr) -> Self {
        let mut stream = connect(address).await;
        let request = "GET /api/ws HTTP/1.1\r\nHost: here\r\nConnection: Upgrade\r\n\
            Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(stream.read_u8().await.unwrap());
        }
        assert!(answer.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&answer));
        Self { stream }
    }

    /// Sends a frame with this first byte. The mask is one that changes nothing.
    pub(crate) async fn send(&mut self, first: u8, payload: &[u8]) {
        self.stream.write_all(&frame(first, payload)).await.unwrap();
    }

    /// Sends bytes, as many as the server takes.
    pub(crate) async fn attack(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes).await;
    }

    pub(crate) async fn say(&mut self, message: &Value) {
        self.send(FINAL | TEXT, message.to_string().as_bytes()).await;
    }

    /// The kind and the content of the next frame.
    pub(crate) async fn next(&mut self) -> (u8, Vec<u8>) {
        timeout(DEADLINE, self.receive()).await.expect("nothing more is said")
    }

    async fn receive(&mut self) -> (u8, Vec<u8>) {
        let kind = self.stream.read_u8().await.unwrap() & 0x0f;
        let length = match self.stream.read_u8().await.unwrap() {
            127 => self.stream.read_u64().await.unwrap(),
            126 => self.stream.read_u16().await.unwrap().into(),
            short => short.into(),
        };
        let mut body = vec![0; length.try_into().unwrap()];
        self.stream.read_exact(&mut body).await.unwrap();
        (kind, body)
    }

    /// The next text message.
    pub(crate) async fn hear(&mut self) -> Value {
        loop {
            match self.next().await {
                (TEXT, body) => return serde_json::from_slice(&body).unwrap(),
                (CLOSE, body) => panic!("hung up: {body:?}"),
                _ => {}
            }
        }
    }

    /// Reads until the server hangs up: the code.
    pub(crate) async fn closed(&mut self) -> u16 {
        loop {
            if let (CLOSE, body) = self.next().await {
                return u16::from_be_bytes([body[0], body[1]]);
            }
        }
    }
}

/// A connection whose own end holds little: by itself it would hold megabytes, and nothing would
/// ever stall.
pub(crate) async fn connect(address: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(32 << 10).unwrap();
    socket.connect(address).await.unwrap()
}

/// A frame of a client.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match u16::try_from(payload.len()) {
        Ok(short @ ..126) => frame.push(MASKED + u8::try_from(short).unwrap()),
        Ok(middle) => {
            frame.push(MASKED + 126);
            frame.extend(middle.to_be_bytes());
        }
        Err(_) => {
            frame.push(MASKED + 127);
            frame.extend((payload.len() as u64).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

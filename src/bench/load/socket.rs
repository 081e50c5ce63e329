//! One client's socket: connects, shakes hands, sends.

use std::{
    io,
    net::{IpAddr, SocketAddr},
};

use anyhow::{Context, bail, ensure};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::net::{TcpSocket, TcpStream};

use super::frames::masked;
use crate::{bench::mesh::View, config::WireEncoding};

/// Longest answer to a handshake.
const MAX_HEAD_BYTES: usize = 8 << 10;

/// Where clients connect to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Door {
    pub(crate) address: SocketAddr,
    /// As in `/api/ws`.
    pub(crate) path: String,
    /// The address to come from, if there are more clients than one address has ports.
    pub(crate) from: Option<IpAddr>,
}

impl Door {
    async fn connect(&self) -> io::Result<TcpStream> {
        let Some(from) = self.from else { return TcpStream::connect(self.address).await };
        let socket = if from.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        socket.bind((from, 0).into())?;
        socket.connect(self.address).await
    }
}

/// Connects and shakes hands. Answers what came with the end of the handshake as well.
pub(super) async fn open(
    door: &Door,
    encoding: WireEncoding,
) -> anyhow::Result<(TcpStream, Vec<u8>)> {
    let stream = door.connect().await.context("cannot connect")?;
    stream.set_nodelay(true)?;
    let protocol = match encoding {
        WireEncoding::Json => "geocast.v1.json",
        WireEncoding::Binary => "geocast.v1.proto",
    };
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: Z2VvY2FzdCBiZW5jaCAhIQ==\r\n\
         Sec-WebSocket-Protocol: {protocol}\r\n\r\n",
        door.path, door.address
    );
    send(&stream, request.as_bytes()).await?;
    let mut answer = Vec::new();
    let mut buffer = [0; 1024];
    loop {
        let read = read(&stream, &mut buffer).await?;
        ensure!(read > 0, "hung up during the handshake");
        answer.extend(&buffer[..read]);
        if let Some(at) = answer.windows(4).position(|end| end == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&answer[..at]).into_owned();
            let status = head.lines().next().unwrap_or_default();
            ensure!(status.contains(" 101 "), "no WebSocket: {status}");
            // A server that knows no subprotocols speaks JSON.
            let binary = encoding == WireEncoding::Binary;
            ensure!(!binary || head.contains(protocol), "the server does not speak {protocol}");
            return Ok((stream, answer.split_off(at + 4)));
        }
        if answer.len() > MAX_HEAD_BYTES {
            bail!("no end of the answer to the handshake");
        }
    }
}

/// Asks for everything in a view, from a cursor on.
pub(super) async fn subscribe(
    stream: &TcpStream,
    view: &View,
    types: &[String],
    resume: Option<(&str, u64)>,
) -> anyhow::Result<()> {
    let View { north, south, east, west } = view;
    let bounds = json!({ "north": north, "south": south, "east": east, "west": west });
    let mut message =
        json!({ "type": "subscribe", "filter": { "bounds": bounds }, "columns": true });
    if !types.is_empty() {
        message["filter"]["messageTypes"] = json!(types);
    }
    if let Some((epoch, revision)) = resume {
        message["resume"] = json!({ "epoch": epoch, "revision": revision });
    }
    send(stream, &masked(0x1, message.to_string().as_bytes())).await
}

pub(super) async fn send(stream: &TcpStream, mut bytes: &[u8]) -> anyhow::Result<()> {
    while !bytes.is_empty() {
        stream.writable().await?;
        match stream.try_write(bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Waits for bytes; 0 at the end.
pub(super) async fn read(stream: &TcpStream, buffer: &mut [u8]) -> anyhow::Result<usize> {
    loop {
        stream.readable().await?;
        match stream.try_read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            result => return Ok(result?),
        }
    }
}

//! A gateway that publishes to a broker at `QoS` 1, in MQTT 3.1.1 on a plain socket.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
};

use super::DEADLINE;

pub(crate) struct Gateway {
    socket: TcpStream,
    next_id: u16,
}

impl Gateway {
    pub(crate) fn connect(broker: SocketAddr) -> Self {
        Self::try_connect(broker).unwrap()
    }

    /// Connects to a broker that may die meanwhile.
    pub(crate) fn try_connect(broker: SocketAddr) -> io::Result<Self> {
        Self::try_connect_as(None, broker)
    }

    /// Connects under this name, which throws out who else has it.
    pub(crate) fn try_connect_as(name: Option<&str>, broker: SocketAddr) -> io::Result<Self> {
        let mut socket = TcpStream::connect(broker)?;
        socket.set_read_timeout(Some(DEADLINE))?;
        socket.set_nodelay(true)?;
        let own = format!("gateway-{}", socket.local_addr()?.port());
        let mut body = b"\x00\x04MQTT\x04\x02\x00\x00".to_vec();
        push_text(&mut body, name.unwrap_or(&own).as_bytes());
        send(&mut socket, 0x10, &body)?;
        let mut answer = [0; 4];
        socket.read_exact(&mut answer)?;
        assert_eq!(answer[3], 0, "the broker refuses the connection");
        Ok(Self { socket, next_id: 0 })
    }

    /// Publishes, and waits until the broker has acknowledged all of it.
    pub(crate) fn publish_all<'a>(
        &mut self,
        messages: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    ) {
        let mut waiting = 0;
        for (topic, payload) in messages {
            self.send(topic, payload);
            waiting += 1;
        }
        for _ in 0..waiting {
            self.acknowledged().unwrap();
        }
    }

    pub(crate) fn publish(&mut self, (topic, payload): (String, Vec<u8>)) {
        self.publish_all([(topic.as_str(), payload.as_slice())]);
    }

    /// Publishes without waiting.
    pub(crate) fn send(&mut self, topic: &str, payload: &[u8]) {
        self.next_id = self.next_id % u16::MAX + 1;
        self.try_send(self.next_id, false, (topic, payload)).unwrap();
    }

    /// Publishes under this number, for the first time or again.
    pub(crate) fn try_send(
        &mut self,
        id: u16,
        again: bool,
        (topic, payload): (&str, &[u8]),
    ) -> io::Result<()> {
        let mut body = Vec::new();
        push_text(&mut body, topic.as_bytes());
        body.extend(id.to_be_bytes());
        body.extend(payload);
        send(&mut self.socket, if again { 0x3a } else { 0x32 }, &body)
    }

    /// Publishes something that the broker is to keep for whoever comes later.
    pub(crate) fn publish_retained(&mut self, (topic, payload): &(String, Vec<u8>)) {
        let mut body = Vec::new();
        push_text(&mut body, topic.as_bytes());
        body.extend([0, 1]);
        body.extend(payload);
        send(&mut self.socket, 0x33, &body).unwrap();
        self.acknowledged().unwrap();
    }

    /// Publishes at `QoS` 0.
    pub(crate) fn try_send_unanswered(
        &mut self,
        (topic, payload): (&str, &[u8]),
    ) -> io::Result<()> {
        let mut body = Vec::new();
        push_text(&mut body, topic.as_bytes());
        body.extend(payload);
        send(&mut self.socket, 0x30, &body)
    }

    /// Whether anything has come from the broker by now, or it has hung up.
    pub(crate) fn is_answered(&mut self) -> bool {
        self.socket.set_nonblocking(true).unwrap();
        let looked = self.socket.peek(&mut [0]);
        self.socket.set_nonblocking(false).unwrap();
        !looked.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Waits for the next acknowledgement, and returns the number in it.
    pub(crate) fn acknowledged(&mut self) -> io::Result<u16> {
        let mut answer = [0; 4];
        self.socket.read_exact(&mut answer)?;
        assert_eq!(answer[0], 0x40, "an acknowledgement");
        Ok(u16::from_be_bytes([answer[2], answer[3]]))
    }
}

fn push_text(body: &mut Vec<u8>, text: &[u8]) {
    body.extend(u16::try_from(text.len()).unwrap().to_be_bytes());
    body.extend(text);
}

fn send(socket: &mut TcpStream, kind: u8, body: &[u8]) -> io::Result<()> {
    let mut packet = vec![kind];
    let mut length = body.len();
    loop {
        let seven_bits = u8::try_from(length % 128).unwrap();
        length /= 128;
        packet.push(seven_bits | if length > 0 { 128 } else { 0 });
        if length == 0 {
            break;
        }
    }
    packet.extend(body);
    socket.write_all(&packet)
}

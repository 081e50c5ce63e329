//! A gateway that publishes to a broker at `QoS` 1, in MQTT 3.1.1 on a plain socket.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
};

use super::DEADLINE;

pub(crate) struct Gateway {
    socket: TcpStream,
    next_id: u16,
}

impl Gateway {
    pub(crate) fn connect(broker: SocketAddr) -> Self {
        let mut socket = TcpStream::connect(broker).unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        socket.set_nodelay(true).unwrap();
        let name = format!("gateway-{}", socket.local_addr().unwrap().port());
        let mut body = b"\x00\x04MQTT\x04\x02\x00\x00".to_vec();
        push_text(&mut body, name.as_bytes());
        send(&mut socket, 0x10, &body);
        let mut answer = [0; 4];
        socket.read_exact(&mut answer).unwrap();
        assert_eq!(answer[3], 0, "the broker refuses the connection");
        Self { socket, next_id: 0 }
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
        let mut body = Vec::new();
        push_text(&mut body, topic.as_bytes());
        body.extend(self.next_id.to_be_bytes());
        body.extend(payload);
        send(&mut self.socket, 0x32, &body);
    }

    /// Waits for the next acknowledgement.
    pub(crate) fn acknowledged(&mut self) -> std::io::Result<()> {
        let mut answer = [0; 4];
        self.socket.read_exact(&mut answer)?;
        assert_eq!(answer[0], 0x40, "an acknowledgement");
        Ok(())
    }
}

fn push_text(body: &mut Vec<u8>, text: &[u8]) {
    body.extend(u16::try_from(text.len()).unwrap().to_be_bytes());
    body.extend(text);
}

fn send(socket: &mut TcpStream, kind: u8, body: &[u8]) {
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
    socket.write_all(&packet).unwrap();
}

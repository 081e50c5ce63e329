//! A gateway that sends again what was not acknowledged, as MQTT demands.

use std::{io, net::SocketAddr};

use crate::harness::{Gateway, radio::Publish};

/// Messages that may wait for their acknowledgement.
const WINDOW: usize = 20;

pub(super) struct Courier {
    messages: Vec<Publish>,
    /// How many of them were sent, and how many acknowledged.
    sent: usize,
    acknowledged: usize,
}

impl Courier {
    pub(super) fn new(messages: Vec<Publish>) -> Self {
        Self { messages, sent: 0, acknowledged: 0 }
    }

    /// Delivers this share of all messages, from where it was. An error is the broker's end.
    pub(super) fn deliver(&mut self, broker: SocketAddr, share: f64) -> io::Result<()> {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of a few thousand"
        )]
        let until = (self.messages.len() as f64 * share).ceil() as usize;
        let mut gateway = Gateway::try_connect(broker)?;
        let mut next = self.acknowledged;
        while self.acknowledged < until {
            while next < until && next < self.acknowledged + WINDOW {
                let (topic, payload) = &self.messages[next];
                let again = next < self.sent;
                self.sent = self.sent.max(next + 1);
                gateway.try_send(number(next), again, (topic, payload))?;
                next += 1;
            }
            assert_eq!(gateway.acknowledged()?, number(self.acknowledged), "in order");
            self.acknowledged += 1;
        }
        Ok(())
    }
}

/// The number under which a message is sent, the same each time.
fn number(index: usize) -> u16 {
    u16::try_from(index % usize::from(u16::MAX)).unwrap() + 1
}

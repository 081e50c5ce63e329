//! The same events by multicast, one in each datagram, for teams whose devices listen to a group.

use std::{
    future::Future,
    io,
    net::{Ipv4Addr, SocketAddrV4},
    time::Duration,
};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::{net::UdpSocket, time::sleep};
use tracing::{info, warn};

use super::{NODES_PER_WRITE, Rounds, STALE_AFTER, event};
use crate::{
    broadcast::{LiveMap, Picture},
    domain::Clock,
};

/// How often everything is told: nobody says that a datagram was lost.
const EVERYTHING_EVERY: Duration = Duration::from_mins(1);

/// Rest after some datagrams, so that those who listen can take them.
const REST: Duration = Duration::from_millis(20);

/// A group, and the interface by which it is told.
#[derive(Debug)]
pub struct CotGroup {
    socket: UdpSocket,
    group: SocketAddrV4,
    /// Whether the last datagram could not be sent, which is said once.
    is_failing: bool,
}

impl CotGroup {
    /// The group behind the interface that has this address. What is told does not go beyond its
    /// network.
    pub fn open(group: SocketAddrV4, interface: Ipv4Addr) -> io::Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_nonblocking(true)?;
        socket.set_multicast_if_v4(&interface)?;
        socket.set_multicast_loop_v4(true)?;
        socket.set_multicast_ttl_v4(1)?;
        socket.bind(&SocketAddrV4::new(interface, 0).into())?;
        Ok(Self { socket: UdpSocket::from_std(socket.into())?, group, is_failing: false })
    }

    /// Tells the group what is on the map, until `stop`.
    pub async fn tell(mut self, live: LiveMap, clock: Clock, stop: impl Future<Output = ()>) {
        let told = async {
            let mut rounds = Rounds::new(&live, EVERYTHING_EVERY);
            while let Some(picture) = rounds.next().await {
                self.send_all(&picture, &clock).await;
            }
        };
        select! {
            () = told => {}
            () = stop => {}
        }
    }

    async fn send_all(&mut self, picture: &Picture, clock: &Clock) {
        let mut text = String::new();
        for nodes in picture.all_nodes().chunks(NODES_PER_WRITE) {
            for node in nodes {
                text.clear();
                event::write(&mut text, node, clock.now(), STALE_AFTER);
                self.send(&text).await;
            }
            sleep(REST).await;
        }
        for gone in &picture.removed {
            text.clear();
            event::write_gone(&mut text, &gone.id, clock.now(), STALE_AFTER);
            self.send(&text).await;
        }
    }

    /// Sends one event. What cannot be sent is told again with everything.
    async fn send(&mut self, event: &str) {
        if event.is_empty() {
            return;
        }
        match self.socket.send_to(event.as_bytes(), self.group).await {
            Ok(_) => {
                if std::mem::take(&mut self.is_failing) {
                    info!("TAK devices at {} are told again", self.group);
                }
            }
            Err(error) => {
                if !std::mem::replace(&mut self.is_failing, true) {
                    warn!("TAK devices at {} cannot be told: {error}", self.group);
                }
            }
        }
    }
}

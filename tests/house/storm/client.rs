//! A client with a bad line.

use std::{collections::BTreeSet, net::SocketAddr};

use fastrand::Rng;
use futures_util::{SinkExt, StreamExt};
use geocast::http::reader::Mirror;
use serde_json::{Value, json};
use socket2::SockRef;
use tokio::{
    net::{TcpSocket, TcpStream},
    sync::{mpsc, watch},
    time::timeout,
};
use tokio_tungstenite::{WebSocketStream, client_async, tungstenite::Message};

use super::{Now, truth::Settled, view::View};
use crate::harness::DEADLINE;

/// What it does in the storm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Character {
    /// Reads what comes and looks elsewhere now and then.
    Reader,
    /// Reads and never looks elsewhere: it hears every message.
    Listener,
    /// Subscribes, and does not read before the storm is over.
    Stalled,
    /// Loses its connection again and again.
    Restless,
}

pub(super) struct Client {
    character: Character,
    rng: Rng,
    server: SocketAddr,
    socket: Option<WebSocketStream<TcpStream>>,
    view: View,
    mirror: Mirror,
    /// That of the last picture.
    epoch: String,
    texts: BTreeSet<String>,
    /// The greatest number of changes that came in one piece.
    longest_leap: u64,
}

impl Client {
    pub(super) fn new(server: SocketAddr, character: Character, seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let view = match character {
            Character::Listener => View::messages(),
            Character::Stalled => View::heavy(&mut rng),
            Character::Reader | Character::Restless => View::any(&mut rng),
        };
        Self {
            character,
            rng,
            server,
            socket: None,
            view,
            mirror: Mirror::default(),
            epoch: String::new(),
            texts: BTreeSet::new(),
            longest_leap: 0,
        }
    }

    /// Lives through the storm and compares what it holds with the truth at its end.
    pub(super) async fn live(mut self, mut now: watch::Receiver<Now>, here: mpsc::Sender<()>) {
        self.come_back().await;
        if self.character != Character::Stalled {
            self.hear_answer().await;
        }
        here.send(()).await.unwrap();
        let stalls = self.character == Character::Stalled;
        loop {
            tokio::select! {
                () = self.read(), if self.socket.is_some() && !stalls => {}
                changed = now.changed() => {
                    changed.unwrap();
                    let now = now.borrow_and_update().clone();
                    match now {
                        Now::Beat => self.act().await,
                        Now::Calm(_) if stalls => {}
                        Now::Calm(truth) | Now::Healed(truth) => return self.settle(&truth).await,
                    }
                }
            }
        }
    }

    /// What it does of its own accord, now and then.
    async fn act(&mut self) {
        match self.character {
            Character::Listener | Character::Stalled => {}
            Character::Reader => {
                if self.rng.u8(0..25) == 0 && self.mirror.unanswered == 0 {
                    self.pan().await;
                }
            }
            Character::Restless if self.socket.is_none() => self.come_back().await,
            Character::Restless => match self.rng.u8(0..6) {
                0 | 1 => self.lose_connection(),
                // Lost before the answer is there.
                2 => {
                    self.pan().await;
                    self.lose_connection();
                }
                _ => {}
            },
        }
    }

    async fn pan(&mut self) {
        self.view = View::any(&mut self.rng);
        self.subscribe(None).await;
    }

    /// Reads until it must hold what is true, and compares.
    async fn settle(mut self, truth: &Settled) {
        if self.socket.is_none() {
            self.come_back().await;
        }
        let stream = self.socket.as_ref().unwrap().get_ref();
        SockRef::from(stream).set_recv_buffer_size(256 << 10).unwrap();
        self.hear_answer().await;
        if !self.view.shows_marker() {
            // The answer follows whatever is under way, and repeats nothing.
            self.subscribe(None).await;
            self.hear_answer().await;
        }
        while self.mirror.revision != Some(self.mirror.newest)
            || self.view.shows_marker() && !truth.shows_marker(&self.mirror.held)
        {
            self.read().await;
        }
        let who = format!("a {:?} with {}", self.character, self.view.filter());
        let wrong = truth.differences(&self.view, &self.mirror.held);
        assert!(wrong.is_empty(), "{who}:\n{wrong}");
        assert_eq!(self.mirror.cells, truth.counted(&self.view), "{who}");
        match self.character {
            Character::Listener => assert_eq!(self.texts, truth.texts, "{who}"),
            Character::Stalled => {
                assert!(self.longest_leap > 500, "{who} was not stalled, {}", self.longest_leap);
            }
            Character::Reader | Character::Restless => {}
        }
    }

    async fn hear_answer(&mut self) {
        while self.mirror.unanswered > 0 {
            self.read().await;
        }
    }

    async fn come_back(&mut self) {
        self.mirror.newest = 0;
        self.mirror.unanswered = 0;
        let socket = TcpSocket::new_v4().unwrap();
        if self.character == Character::Stalled {
            // So little fits on the way that the server soon cannot write.
            SockRef::from(&socket).set_tcp_mss(536).unwrap();
            socket.set_recv_buffer_size(2 << 10).unwrap();
        }
        let stream = socket.connect(self.server).await.unwrap();
        let url = format!("ws://{}/api/ws", self.server);
        let joining = timeout(DEADLINE, client_async(url, stream)).await;
        self.socket = Some(joining.expect("an answer to the handshake").unwrap().0);
        let resume = self.mirror.revision.map(|revision| (self.epoch.clone(), revision));
        self.subscribe(resume).await;
    }

    /// Whatever was on the way is lost, frames cut in the middle among it.
    fn lose_connection(&mut self) {
        self.socket = None;
        self.mirror.in_parts = false;
        if self.mirror.unanswered > 0 {
            self.mirror.revision = None;
        }
    }

    async fn subscribe(&mut self, resume: Option<(String, u64)>) {
        let mut message = json!({ "type": "subscribe", "filter": self.view.filter() });
        if let Some((epoch, revision)) = resume {
            message["resume"] = json!({ "epoch": epoch, "revision": revision });
        }
        self.mirror.unanswered += 1;
        self.say(message).await;
    }

    async fn say(&mut self, message: Value) {
        let socket = self.socket.as_mut().unwrap();
        socket.send(Message::text(message.to_string())).await.unwrap();
    }

    /// The next message, applied to what it holds.
    async fn read(&mut self) {
        let socket = self.socket.as_mut().unwrap();
        let Ok(next) = timeout(DEADLINE, socket.next()).await else {
            panic!("a {:?} with {} hears no more", self.character, self.view.filter());
        };
        let text = match next.expect("nobody hangs up").unwrap() {
            Message::Text(text) => text,
            Message::Close(goodbye) => panic!("a {:?} is told {goodbye:?}", self.character),
            _ => return,
        };
        let message: Value = serde_json::from_str(&text).unwrap();
        let messages = message["messages"].as_array().into_iter().flatten();
        self.texts.extend(messages.map(|said| said["text"].as_str().unwrap().to_owned()));
        match message["type"].as_str().unwrap() {
            "hello" => return,
            "snapshot" => message["epoch"].as_str().unwrap().clone_into(&mut self.epoch),
            _ => {}
        }
        let held = self.mirror.newest;
        self.mirror.hear(&message).unwrap();
        if held > 0 {
            self.longest_leap = self.longest_leap.max(self.mirror.newest - held);
        }
    }
}

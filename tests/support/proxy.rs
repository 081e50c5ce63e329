//! A line to a database that can be slow, silent or cut.
//!
//! Include it with `#[path = "../support/proxy.rs"] mod proxy;`.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
    time::sleep,
};

/// What is wrong with the line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fault {
    None,
    /// What is said arrives so much later, in either direction.
    Slow(Duration),
    /// Nothing arrives.
    Silent,
    /// There is no line.
    Cut,
    /// The connection that says this is cut before it arrives; the next one is well.
    CutBefore(&'static str),
    /// The connection that says this is cut before the answer arrives; the next one is well.
    CutAfter(&'static str),
}

/// A relay on a port of its own. Ends when dropped.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    fault: watch::Sender<Fault>,
    _relays: JoinSet<()>,
}

impl Proxy {
    pub(crate) async fn to(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let fault = watch::Sender::new(Fault::None);
        let line = fault.clone();
        let mut relays = JoinSet::new();
        relays.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let faults = line.subscribe();
                if *faults.borrow() != Fault::Cut {
                    connections.spawn(relay(client, server, (line.clone(), faults)));
                }
            }
        });
        Self { port, fault, _relays: relays }
    }

    pub(crate) fn set(&self, fault: Fault) {
        self.fault.send_replace(fault);
    }

    /// Cuts every connection, and waits until that is done.
    pub(crate) async fn cut(&self) {
        self.set(Fault::Cut);
        // Every relay listens.
        self.fault.closed().await;
    }

    /// Waits until a connection was cut as asked.
    pub(crate) async fn was_cut(&self) {
        self.fault.subscribe().wait_for(|fault| *fault == Fault::None).await.unwrap();
    }
}

async fn relay(
    client: TcpStream,
    server: u16,
    (fault, mut faults): (watch::Sender<Fault>, watch::Receiver<Fault>),
) {
    let Ok(server) = TcpStream::connect(("127.0.0.1", server)).await else { return };
    client.set_nodelay(true).unwrap();
    server.set_nodelay(true).unwrap();
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let is_last_word = AtomicBool::new(false);
    let up = async {
        let mut buffer = vec![0; 1 << 20];
        while let Ok(length @ 1..) = from_client.read(&mut buffer).await {
            let said = &buffer[..length];
            let says = |text: &str| said.windows(text.len()).any(|part| part == text.as_bytes());
            let now = *fault.borrow();
            match now {
                Fault::CutBefore(text) if says(text) => break,
                Fault::CutAfter(text) if says(text) => is_last_word.store(true, Ordering::SeqCst),
                _ => {}
            }
            hold(&fault).await;
            if to_server.write_all(said).await.is_err() {
                break;
            }
        }
    };
    let down = async {
        let mut buffer = vec![0; 1 << 16];
        while let Ok(length @ 1..) = from_server.read(&mut buffer).await {
            hold(&fault).await;
            let is_over = is_last_word.load(Ordering::SeqCst);
            if is_over || to_client.write_all(&buffer[..length]).await.is_err() {
                break;
            }
        }
    };
    let cut = faults.wait_for(|fault| *fault == Fault::Cut);
    tokio::select! { () = up => {}, () = down => {}, _ = cut => return }
    fault.send_if_modified(|fault| {
        let is_done = matches!(fault, Fault::CutBefore(_)) || is_last_word.load(Ordering::SeqCst);
        if is_done {
            *fault = Fault::None;
        }
        is_done
    });
}

/// Waits as long as the line takes.
async fn hold(fault: &watch::Sender<Fault>) {
    let now = *fault.borrow();
    if let Fault::Slow(delay) = now {
        sleep(delay).await;
    }
    let heard = fault.subscribe().wait_for(|fault| *fault != Fault::Silent).await.is_ok();
    assert!(heard, "the relay holds the sender");
}

//! The load: what `geocast bench` starts as processes of their own. Each is told what to do on its
//! standard input and answers on its standard output, one JSON object a line.

use std::{
    io::{BufRead as _, Write as _, stdin, stdout},
    thread,
};

use anyhow::Context;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

mod client;
mod clients;
mod frames;
mod publisher;
mod socket;
mod tally;
mod truth;

pub(super) use clients::{Checked, ClientsJob, Connected};
pub(super) use publisher::{Published, PublisherJob};
pub(super) use socket::Door;
pub(super) use tally::Tally;

use super::mesh::Timetable;

/// What a load process is to be: the first line that it is told.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Job {
    /// Clients that watch.
    Clients(ClientsJob),
    /// Who publishes what they see.
    Publisher(PublisherJob),
}

/// What clients are told to do next.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Order {
    /// Connect and subscribe clients until there are so many; answered by [`Connected`].
    Connect(usize),
    /// Measure how late the updates of this timetable are, of those that are due between these
    /// moments.
    Expect(Timetable, u64, u64),
    /// Say what was counted; answered by a [`Tally`].
    Count,
    /// Wait until nothing comes any more; answered by whether that was so within a minute.
    Rest,
    /// Compare what the sample holds with what is true after so many updates; answered by
    /// [`Checked`].
    Check(Option<(Timetable, u64)>),
    /// Hang up everybody, and connect the sample again after so many milliseconds, with what they
    /// hold; answered by [`Connected`].
    Return(u64),
}

/// `geocast bench-load`: is what it is told to be, until it is told nothing more.
pub(super) async fn run() -> anyhow::Result<()> {
    let (said, mut orders) = mpsc::channel(1);
    // Ends with the process: a thread that reads standard input cannot be interrupted.
    thread::spawn(move || {
        for line in stdin().lock().lines().map_while(Result::ok) {
            if said.blocking_send(line).is_err() {
                return;
            }
        }
    });
    let job = orders.recv().await.context("bench-load is started by bench")?;
    let job: Job = serde_json::from_str(&job)?;
    // All of one process runs on one thread, so that many clients share their memory.
    let work = thread::spawn(move || match job {
        Job::Clients(job) => clients::run(job, orders),
        Job::Publisher(job) => publisher::run(&job, orders),
    });
    work.join().unwrap_or_else(|_panic| anyhow::bail!("the load panicked"))
}

/// Answers an order.
fn answer(answer: &impl Serialize) -> anyhow::Result<()> {
    let mut line = serde_json::to_vec(answer)?;
    line.push(b'\n');
    let mut out = stdout().lock();
    out.write_all(&line)?;
    out.flush()?;
    Ok(())
}

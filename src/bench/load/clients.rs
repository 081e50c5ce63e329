//! Many clients in one process, on one thread: most only count, a sample reads everything.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use anyhow::bail;
use serde::{Deserialize, Serialize};
use tokio::{
    sync::{Semaphore, mpsc, watch},
    task::{JoinSet, LocalSet},
    time::{sleep, timeout},
};

use super::{
    Order, answer,
    client::{Client, Common, Witness},
    frames::Rest,
    socket::Door,
    tally::Tally,
    truth::{differences, misplaced, published, told_anew},
};
use crate::{
    bench::{
        histogram::Histogram,
        mesh::{Mesh, Timetable, View},
        usage::now_ns,
    },
    broadcast::Encoding,
    config::{Views, WireEncoding},
};

/// What all clients of a process read into, one after the other.
const BUFFER_BYTES: usize = 256 << 10;

/// How long it must be quiet until nothing more is expected.
const QUIET: Duration = Duration::from_millis(1500);

/// How long everything that takes its time may take.
const PATIENCE: Duration = Duration::from_mins(5);

/// Differences that are told of one client.
const TOLD: usize = 3;

/// Who watches what.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ClientsJob {
    pub(crate) door: Door,
    pub(crate) encoding: WireEncoding,
    /// The types of messages that they ask for; all if there are none.
    pub(crate) types: Vec<String>,
    pub(crate) views: Views,
    /// The number of the first of them.
    pub(crate) first: usize,
    pub(crate) clients: usize,
    /// How many of them read everything.
    pub(crate) sample: usize,
    /// How many connect at a time.
    pub(crate) at_once: usize,
    pub(crate) nodes: usize,
    pub(crate) seed: u64,
}

/// How everybody got a picture.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Connected {
    pub(crate) elapsed_ns: u64,
    /// From the first step of each to its whole picture.
    pub(crate) each: Histogram,
    /// Pictures that were whole ones and not the difference from what a client held.
    pub(crate) full: usize,
    /// Bytes of frames in the meantime.
    pub(crate) bytes: u64,
}

/// What the sample held.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Checked {
    pub(crate) clients: usize,
    /// The nodes that they held, added up.
    pub(crate) nodes: usize,
    /// Clients that did not hold what they should.
    pub(crate) diverged: usize,
    /// Some of what was wrong.
    pub(crate) examples: Vec<String>,
}

pub(super) fn run(job: ClientsJob, orders: mpsc::Receiver<String>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, Crowd::new(job).obey(orders))
}

struct Crowd {
    common: Rc<Common>,
    witnesses: Vec<(View, Rc<RefCell<Witness>>)>,
    clients: JoinSet<()>,
    /// How many were told to connect.
    entered: usize,
}

impl Crowd {
    fn new(job: ClientsJob) -> Self {
        let encoding = match job.encoding {
            WireEncoding::Json => Encoding::Json,
            WireEncoding::Binary => Encoding::Proto,
        };
        let common = Common {
            mesh: Mesh::new(job.nodes, job.seed),
            job,
            encoding,
            buffer: RefCell::new(vec![0; BUFFER_BYTES]),
            tally: RefCell::new(Tally { last_frame_ns: now_ns(), ..Tally::default() }),
            expected: Cell::default(),
            pictures: RefCell::default(),
            complete: watch::Sender::new(0),
        };
        Self { common: Rc::new(common), witnesses: Vec::new(), clients: JoinSet::new(), entered: 0 }
    }

    async fn obey(mut self, mut orders: mpsc::Receiver<String>) -> anyhow::Result<()> {
        while let Some(order) = orders.recv().await {
            match serde_json::from_str(&order)? {
                Order::Connect(clients) => answer(&self.connect(clients).await?)?,
                Order::Expect(timetable, from_ns, to_ns) => {
                    self.common.expected.set(Some((timetable, from_ns, to_ns)));
                }
                Order::Count => answer(&*self.common.tally.borrow())?,
                Order::Rest => answer(&self.rest().await)?,
                Order::Check(told) => answer(&self.check(told).await?)?,
                Order::Return(ms) => answer(&self.come_back(Duration::from_millis(ms)).await?)?,
            }
        }
        Ok(())
    }

    /// Connects clients until there are so many, a few at a time.
    async fn connect(&mut self, most: usize) -> anyhow::Result<Connected> {
        let common = Rc::clone(&self.common);
        let job = &common.job;
        let (clients, sample) = (job.clients, job.sample.min(job.clients));
        let turns = Arc::new(Semaphore::new(job.at_once));
        let began = self.common.begin();
        let before = self.entered;
        self.entered = most.min(clients);
        for number in before..self.entered {
            // Spread evenly over all.
            let is_sampled = (number + 1) * sample / clients > number * sample / clients;
            let witness =
                is_sampled.then(|| Rc::new(RefCell::new(Witness::new(self.common.encoding))));
            let view = self.common.mesh.view(job.views, job.first + number);
            self.witnesses.extend(witness.clone().map(|witness| (view, witness)));
            self.enter(view, witness, &turns);
        }
        self.pictures(began, self.entered - before).await
    }

    /// Hangs up everybody; later the sample comes back.
    async fn come_back(&mut self, away: Duration) -> anyhow::Result<Connected> {
        self.clients.shutdown().await;
        sleep(away).await;
        let turns = Arc::new(Semaphore::new(self.common.job.at_once));
        let began = self.common.begin();
        for (view, witness) in self.witnesses.clone() {
            self.enter(view, Some(witness), &turns);
        }
        self.pictures(began, self.witnesses.len()).await
    }

    fn enter(&mut self, view: View, witness: Option<Rc<RefCell<Witness>>>, turns: &Arc<Semaphore>) {
        let client = Client {
            common: Rc::clone(&self.common),
            view,
            witness,
            rest: Rest::default(),
            picture: None,
            pongs: Vec::new(),
        };
        self.clients.spawn_local(client.live(Arc::clone(turns)));
    }

    /// Waits until everybody has a picture.
    async fn pictures(&self, began: (u64, u64), clients: usize) -> anyhow::Result<Connected> {
        let mut complete = self.common.complete.subscribe();
        let everybody = complete.wait_for(|complete| *complete >= clients);
        match timeout(PATIENCE, everybody).await {
            Ok(Ok(_)) => {}
            _ => bail!(
                "only {} of {clients} clients got a picture, {} were hung up on",
                *self.common.complete.borrow(),
                self.common.tally.borrow().lost
            ),
        }
        let full = self.witnesses.iter().filter(|(_, witness)| witness.borrow().is_full).count();
        Ok(Connected {
            elapsed_ns: now_ns() - began.0,
            each: self.common.pictures.borrow().clone(),
            full,
            bytes: self.common.tally.borrow().bytes - began.1,
        })
    }

    /// Waits until nothing comes any more.
    async fn rest(&self) -> bool {
        let quiet = async {
            loop {
                let silent_ns = now_ns().saturating_sub(self.common.tally.borrow().last_frame_ns);
                let left = QUIET.saturating_sub(Duration::from_nanos(silent_ns));
                if left.is_zero() {
                    return;
                }
                sleep(left).await;
            }
        };
        timeout(PATIENCE / 5, quiet).await.is_ok()
    }

    async fn check(&self, told: Option<(Timetable, u64)>) -> anyhow::Result<Checked> {
        let Common { job, mesh, .. } = &*self.common;
        let shows_places = job.types.is_empty() || job.types.iter().any(|kind| kind == "position");
        let published = if shows_places { published(mesh, told) } else { Vec::new() };
        let mut checked =
            Checked { clients: self.witnesses.len(), nodes: 0, diverged: 0, examples: Vec::new() };
        for (view, witness) in &self.witnesses {
            let truth = told_anew(&job.door, view, &job.types).await?;
            let witness = witness.borrow();
            let held = witness.reader.held();
            checked.nodes += held.len();
            let mut wrong: Vec<_> = witness.broken.iter().cloned().collect();
            wrong.extend(differences(held, &truth));
            wrong.extend(misplaced(held, &published, view));
            checked.diverged += usize::from(!wrong.is_empty());
            wrong.truncate(TOLD);
            checked.examples.append(&mut wrong);
        }
        checked.examples.truncate(10);
        Ok(checked)
    }
}

//! `import`: what a recording says, to storage without a broker, as if it came when it was recorded.

use std::{
    fmt,
    fs::File,
    io::BufReader,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
    time::{Duration, UNIX_EPOCH},
};

use anyhow::{Context as _, bail};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{
    Progress, Summary,
    mpk::{MpkError, Reader},
};
use crate::{
    domain::{Clock, Timestamp},
    ingest::{Decode, Intake},
    storage::Job,
};

/// No gateway states an earlier time by a clock that was set: 2020-01-01.
const EARLIEST: Timestamp = Timestamp::from_seconds(1_577_836_800);

/// The clocks that are asked when a recording began, at most.
const MOST_CLOCKS: usize = 100_000;

/// A recording that is about to be imported.
pub struct Recording {
    reader: Reader<BufReader<File>>,
    bytes: u64,
    began: Began,
    arrived: Arc<AtomicI64>,
}

/// When a recording began, and how that is known. The format does not say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Began {
    Told(Timestamp),
    ByGateways(Timestamp),
    ByFile(Timestamp),
}

impl Recording {
    /// Opens a recording. It began at `began_at`, or else when the clocks of most gateways in it
    /// say: the same recording is always dated the same, wherever it is copied to. `now` is the
    /// latest that any of them can mean.
    pub fn open(
        file: &Path,
        began_at: Option<Timestamp>,
        decoder: &dyn Decode,
        now: Timestamp,
    ) -> anyhow::Result<Self> {
        let name = file.display();
        let open = || {
            let file = File::open(file)?;
            Reader::new(BufReader::with_capacity(1 << 16, file))
        };
        let reader = open().with_context(|| format!("cannot read {name}"))?;
        let metadata = file.metadata().with_context(|| format!("cannot read {name}"))?;
        let modified =
            metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let modified = modified.map(|since| Timestamp::default().plus(since));
        let by_file = |length| Began::ByFile(modified.unwrap_or(now).minus(length));
        let began = if let Some(told) = began_at {
            Began::Told(told)
        } else {
            let (by_gateways, length) = open()
                .and_then(|reader| look_through(reader, decoder, now))
                .with_context(|| format!("cannot read {name}"))?;
            by_gateways.map_or_else(|| by_file(length), Began::ByGateways)
        };
        Ok(Self { reader, bytes: metadata.len(), began, arrived: Arc::default() })
    }

    /// The clock that shows when each message came, for the intake.
    pub fn clock(&self) -> Clock {
        let arrived = Arc::clone(&self.arrived);
        Clock::new(move || Timestamp::from_millis(arrived.load(Relaxed)))
    }

    /// Hands every message to storage, to the end or until `stop`. What was handed over by then is
    /// stored when storage has ended.
    pub async fn feed(
        mut self,
        intake: Intake,
        jobs: mpsc::Sender<Job>,
        stop: CancellationToken,
    ) -> anyhow::Result<Summary> {
        let began = self.began.time();
        let mut progress = Progress::new(Some(self.bytes));
        let mut remark = self.began.to_string();
        while let Some(record) = self.reader.next() {
            let record = match record {
                Ok(record) => record,
                Err(cut_off @ MpkError::Truncated { .. }) => {
                    remark = format!("{remark}; {cut_off}");
                    break;
                }
                Err(error) => return Err(error.into()),
            };
            // Room first: what is counted as received is also stored.
            let room = tokio::select! {
                biased;
                () = stop.cancelled() => {
                    remark = format!("{remark}; interrupted");
                    break;
                }
                room = jobs.reserve() => room,
            };
            let Ok(room) = room else { bail!("storage has ended") };
            let arrived = began.plus(Duration::from_millis(record.t_ms.into()));
            self.arrived.store(arrived.as_millis(), Relaxed);
            room.send(intake.job(&record.topic, &record.payload, || {}));
            progress.message(record.payload.len(), self.reader.offset());
        }
        progress.show();
        let elapsed = progress.bar.elapsed();
        Ok(progress.summary("imported", elapsed, Some(remark)))
    }
}

/// When most gateways say that the recording began, if they say anything; if not, how long it is.
fn look_through(
    reader: Reader<BufReader<File>>,
    decoder: &dyn Decode,
    now: Timestamp,
) -> Result<(Option<Timestamp>, Duration), MpkError> {
    let mut beginnings = Vec::new();
    let mut length = Duration::ZERO;
    for record in reader {
        let record = match record {
            Ok(record) => record,
            Err(MpkError::Truncated { .. }) => break,
            Err(error) => return Err(error),
        };
        length = Duration::from_millis(record.t_ms.into());
        let stated = decoder.heard(&record.topic, &record.payload);
        if let Some(heard) = stated.filter(|heard| (EARLIEST..=now).contains(heard)) {
            beginnings.push(heard.minus(length));
        }
        if beginnings.len() == MOST_CLOCKS {
            break;
        }
    }
    // The middle one: some clocks lie, and no lie is so far off that it moves the others.
    let middle = beginnings.len() / 2;
    let began = (!beginnings.is_empty()).then(|| *beginnings.select_nth_unstable(middle).1);
    Ok((began, length))
}

impl Began {
    fn time(self) -> Timestamp {
        let (Self::Told(time) | Self::ByGateways(time) | Self::ByFile(time)) = self;
        time
    }
}

impl fmt::Display for Began {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let since = Duration::from_millis(self.time().as_millis().try_into().unwrap_or(0));
        let date = humantime::format_rfc3339_seconds(UNIX_EPOCH + since);
        match self {
            Self::Told(_) => write!(f, "recorded from {date}"),
            Self::ByGateways(_) => write!(f, "recorded from {date} by the gateways' clocks"),
            Self::ByFile(_) => write!(f, "recorded from {date} by the file's date"),
        }
    }
}

//! What an operator does to a database by hand: back it up, check, migrate and fill it.

use std::{fmt, future::Future, io::Write, sync::Arc, time::Duration};

use anyhow::{bail, ensure};
use tokio::{
    join,
    sync::{mpsc, watch},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use crate::{
    capture::{Recording, Summary},
    config::{self, TokenAction},
    domain::{Clock, NodeId, Role, Timestamp, policy::KeptOut},
    ingest::{self, ChannelKeys, Decode, Decoder, Gatekeeper, Intake, Refusal},
    storage::{self, Copied, Migrated, Writer},
    wiring::{self, Onlookers},
};

/// Messages in one commit, and as many that wait for it. When those are full, reading waits.
const JOBS: usize = 1000;

/// Commits that nobody has looked at yet; they are let go at once.
const COMMITTED: usize = 4;

/// How long a failing database is tried again once the import was asked to stop.
const STORAGE_GRACE: Duration = Duration::from_secs(5);

/// `geocast backup`: a copy of the database, as of one moment.
pub async fn backup(
    config: config::Backup,
    stop: impl Future<Output = ()>,
) -> anyhow::Result<BackedUp> {
    let file = config.file.display().to_string();
    tokio::select! {
        copied = storage::back_up(config.database.database_url.expose(), &config.file) => {
            Ok(BackedUp { file, copied: copied? })
        }
        () = stop => bail!("stopped before the backup was whole; nothing was written"),
    }
}

/// `geocast check`: writes how the database is to `out`. An error says that it is not sound.
pub async fn check(config: config::Check, out: &mut impl Write) -> anyhow::Result<()> {
    let checkup = storage::check_up(config.database.database_url.expose()).await?;
    if config.json {
        writeln!(out, "{:#}", checkup.to_json())?;
    } else {
        writeln!(out, "{checkup}")?;
    }
    ensure!(
        checkup.problems.is_empty(),
        "the database is not sound: {}",
        checkup.problems.join("; ")
    );
    Ok(())
}

/// `geocast migrate`: brings the schema up to date, or says what that would run.
pub async fn migrate(config: config::Migrate) -> anyhow::Result<Migrated> {
    Ok(storage::migrate(config.database.database_url.expose(), config.dry_run).await?)
}

/// `geocast token`: makes, lists and revokes tokens.
pub async fn token(config: config::Token, clock: &Clock) -> anyhow::Result<String> {
    let now = clock.now();
    Ok(match config.action {
        TokenAction::Create(token) => {
            let role = match token.role {
                config::Role::Viewer => Role::Viewer,
                config::Role::Operator => Role::Operator,
                config::Role::Administrator => Role::Administrator,
            };
            let url = token.database.database_url.expose();
            storage::make_token(url, role, &token.name, token.expires, now).await?.to_string()
        }
        TokenAction::List(database) => {
            storage::tokens(database.database_url.expose(), now).await?.to_string()
        }
        TokenAction::Revoke(token) => {
            storage::revoke_token(token.database.database_url.expose(), &token.id, now).await?;
            format!("token {} is revoked", token.id)
        }
        TokenAction::RevokeShares(database) => {
            storage::rotate_share_key(database.database_url.expose(), now).await?;
            "every share link is void".to_owned()
        }
    })
}

/// `geocast forget`: removes a node and keeps it out, or lets it in again.
pub async fn forget(config: config::Forget, clock: Clock) -> anyhow::Result<String> {
    let node = NodeId::meant(&config.node)?;
    let url = config.database.database_url.expose();
    if config.undo {
        return Ok(if storage::let_in(url, &node).await? {
            format!("{node} is let in again")
        } else {
            format!("{node} is not kept out")
        });
    }
    storage::forget(url, &node, clock.now()).await?;
    Ok(format!("nothing is kept of {node}, and it is kept out"))
}

/// `geocast import`: fills a database from a recording, to its end or until `stop`.
pub async fn import(
    config: config::Import,
    clock: Clock,
    stop: impl Future<Output = ()>,
) -> anyhow::Result<Imported> {
    let keys = ChannelKeys::parse(config.channel_key.iter().map(|key| key.expose().as_str()))?;
    let decoder: Arc<dyn Decode> = Arc::new(Decoder::new(keys));
    let began_at = config.began_at.map(Timestamp::from_millis);
    let recording = Recording::open(&config.file, began_at, &*decoder, clock.now())?;
    let store = storage::open(config.database.database_url.expose(), config.forget_after).await?;

    // Who looks at it later holds it to what others may see then.
    let mut policy = wiring::policy(&config.policy, &config.sources, Onlookers::Local)?;
    // A recording comes as fast as it is read, and what is held would never be let go.
    policy.general.position_rate = None;
    policy.sources.iter_mut().for_each(|source| source.rules.position_rate = None);
    let kept_out = store.kept_out().await?;
    let kept_out: KeptOut = kept_out.into_iter().map(|row| (row.node, row.left)).collect();
    let (jobs_in, jobs) = mpsc::channel(JOBS);
    let (committed_in, mut committed) = mpsc::channel(COMMITTED);
    let interrupt = CancellationToken::new();
    let received = Arc::new(ingest::Metrics::default());
    let stored = storage::Metrics::default();
    let writer = Writer {
        store: Arc::clone(&store),
        jobs,
        most_jobs: JOBS,
        committed: committed_in,
        due: watch::Sender::new(Instant::now()).subscribe(),
        trouble: watch::Sender::new(None),
        waiting_since: watch::Sender::new(None),
        kept_out: kept_out.clone(),
        metrics: stored.clone(),
        stop: interrupt.clone(),
        grace: STORAGE_GRACE,
    };
    let gatekeeper = Gatekeeper::new(policy, kept_out, Arc::clone(&received));
    let intake = Intake::new(decoder, recording.clock(), Arc::clone(&received))
        .guarded_by(Arc::new(gatekeeper));
    let feeding = recording.feed(intake, jobs_in, interrupt.clone());
    let nobody = async { while committed.recv().await.is_some() {} };
    let work = async { join!(writer.run(), feeding, nobody) };
    let interrupted = async {
        stop.await;
        interrupt.cancel();
        std::future::pending().await
    };
    let (written, fed, ()) = tokio::select! {
        ends = work => ends,
        never = interrupted => never,
    };
    store.close().await;
    written?;
    let refused = Refusal::ALL.map(|refusal| (refusal, received.packets_refused(refusal)));
    Ok(Imported {
        summary: fed?,
        packets: stored.packets_stored.get(),
        receptions: stored.receptions_stored.get(),
        refused: refused.into_iter().filter(|(_, count)| *count > 0).collect(),
    })
}

/// What a backup holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackedUp {
    file: String,
    copied: Copied,
}

impl fmt::Display for BackedUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "backed up to {}: {}", self.file, self.copied)
    }
}

/// What became of an imported recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    summary: Summary,
    packets: u64,
    receptions: u64,
    refused: Vec<(Refusal, u64)>,
}

impl fmt::Display for Imported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { summary, packets, receptions, refused } = self;
        let all: u64 = refused.iter().map(|(_, count)| count).sum();
        write!(f, "{summary}: {receptions} receptions of {packets} packets stored, {all} refused")?;
        for (at, (refusal, count)) in refused.iter().enumerate() {
            let before = if at == 0 { " (" } else { ", " };
            write!(f, "{before}{} {count}", refusal.reason())?;
        }
        if refused.is_empty() { Ok(()) } else { write!(f, ")") }
    }
}

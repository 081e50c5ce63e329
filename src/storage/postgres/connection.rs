//! Connections, and what their errors mean.

use std::{future::Future, str::FromStr as _, time::Duration};

use sqlx::{
    ConnectOptions as _, Connection as _, PgConnection, PgPool,
    error::DatabaseError,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::time::timeout;

use crate::storage::{PostgresLimits, StoreError};

/// How long a connection, or one that is free, is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// What every connection is told. `synchronous_commit`: an acknowledgement is a promise. A compiled
/// query is never worth its compilation here. A day's partition is empty when the plan is made that
/// is still used when it is full: so never a plan that reads all of it.
const SETTINGS: &str = "\
    SELECT set_config('statement_timeout', $1, false), \
        set_config('idle_in_transaction_session_timeout', $1, false), \
        set_config('tcp_keepalives_idle', '60', false), \
        set_config('jit', 'off', false), \
        set_config('enable_seqscan', 'off', false), \
        set_config('synchronous_commit', CASE current_setting('synchronous_commit') \
            WHEN 'off' THEN 'on' ELSE current_setting('synchronous_commit') END, false)";

/// Every question of a commit is about a few keys, whatever the statistics of a day's new
/// partitions say.
const BY_KEY: &str = "\
    SELECT set_config('enable_hashjoin', 'off', false), \
        set_config('enable_mergejoin', 'off', false)";

/// How a database is reached.
#[derive(Clone, Debug)]
pub(super) struct Server {
    options: PgConnectOptions,
    limits: PostgresLimits,
}

impl Server {
    /// From a URL that may hold a password. The error does not.
    pub(super) fn parse(url: &str, limits: PostgresLimits) -> Result<Self, StoreError> {
        let options = PgConnectOptions::from_str(url).ok().ok_or_else(|| {
            let reason = "it is not postgres://user:password@host:port/database";
            StoreError::UnsupportedUrl(reason.to_owned())
        })?;
        let options = if options.get_application_name().is_none() {
            options.application_name("geocast")
        } else {
            options
        };
        Ok(Self { options: options.disable_statement_logging(), limits })
    }

    /// What the database is called in messages.
    pub(super) fn name(&self) -> String {
        let options = &self.options;
        let database = options.get_database().unwrap_or_else(|| options.get_username());
        match options.get_socket() {
            Some(socket) => format!("{database} in {}", socket.display()),
            None => format!("{database} on {}:{}", options.get_host(), options.get_port()),
        }
    }

    /// A new connection, which has not been told anything.
    pub(super) async fn connect(&self) -> Result<PgConnection, sqlx::Error> {
        let patience = PATIENCE.min(self.limits.timeout);
        match timeout(patience, self.options.connect()).await {
            Ok(outcome) => outcome,
            Err(_elapsed) => Err(silence(patience)),
        }
    }

    /// Gets a new connection ready to write.
    pub(super) async fn prepare(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        tell(connection, self.limits.timeout).await?;
        sqlx::query(BY_KEY).execute(connection).await.map(drop)
    }

    /// The connections that read. None is opened before it is needed.
    pub(super) fn pool(&self) -> PgPool {
        let statement_timeout = self.limits.timeout;
        PgPoolOptions::new()
            // One more writes.
            .max_connections(self.limits.connections.saturating_sub(1).max(1))
            .acquire_timeout(PATIENCE.min(statement_timeout))
            .idle_timeout(Duration::from_mins(5))
            .after_connect(move |connection, _| Box::pin(tell(connection, statement_timeout)))
            .connect_lazy_with(self.options.clone())
    }

    /// Gives up what takes longer than a statement may: then nobody answers any more.
    pub(super) async fn within<T>(
        &self,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        // The server knows best why it took too long, so it is asked first.
        let limit = self.limits.timeout + Duration::from_secs(1);
        match timeout(limit, work).await {
            Ok(outcome) => outcome,
            Err(_elapsed) => Err(unavailable(silence(limit))),
        }
    }
}

async fn tell(
    connection: &mut PgConnection,
    statement_timeout: Duration,
) -> Result<(), sqlx::Error> {
    let timeout_ms = statement_timeout.as_millis().to_string();
    sqlx::query(SETTINGS).bind(timeout_ms).execute(connection).await.map(drop)
}

fn silence(limit: Duration) -> sqlx::Error {
    let text = format!("no answer within {} s", limit.as_secs_f32());
    sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, text))
}

/// Ends a connection; the server is not waited for.
pub(super) async fn hang_up(connection: PgConnection) {
    // It is gone either way.
    let _ = timeout(Duration::from_secs(1), connection.close()).await;
}

/// Whether the database answers, and takes what is written.
pub(super) async fn check(connection: &mut PgConnection) -> Result<(), StoreError> {
    const READ_ONLY: &str = "SELECT current_setting('transaction_read_only')::bool";
    let read_only: bool =
        sqlx::query_scalar(READ_ONLY).fetch_one(connection).await.map_err(failed)?;
    if read_only {
        return Err(StoreError::Unavailable("the database is read-only".to_owned()));
    }
    Ok(())
}

/// What an error of a statement means that was given something to store, or to look for.
pub(super) fn failed(error: sqlx::Error) -> StoreError {
    match error {
        sqlx::Error::ColumnDecode { index, source } => {
            StoreError::Corrupt { what: "column", value: format!("{index}: {source}") }
        }
        sqlx::Error::Database(error) if is_about_a_value(&*error) => {
            StoreError::Rejected(error.message().to_owned())
        }
        sqlx::Error::Encode(error) => StoreError::Rejected(error.to_string()),
        error => unavailable(error),
    }
}

/// What any other error means.
pub(super) fn unavailable(error: sqlx::Error) -> StoreError {
    StoreError::Unavailable(reason(error))
}

fn reason(error: sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(error) => {
            format!("{} (SQLSTATE {})", error.message(), error.code().unwrap_or_default())
        }
        sqlx::Error::PoolTimedOut => "no connection became free in time".to_owned(),
        error => error.to_string(),
    }
}

/// Whether an error is about what a statement was given, and not about the database: data (22), a
/// constraint (23), something too large (54), or what a trigger raises. A row without a partition
/// is called a constraint without a name.
fn is_about_a_value(error: &dyn DatabaseError) -> bool {
    let code = error.code().unwrap_or_default();
    let is_partition = code == "23514" && error.constraint().is_none();
    let is_value = ["22", "23", "54"].iter().any(|class| code.starts_with(class));
    !is_partition && (is_value || code == "P0001")
}

/// What an error means at the start: some will not go away by waiting.
pub(super) fn at_open(error: sqlx::Error, database: &str) -> StoreError {
    let is_final = match &error {
        sqlx::Error::Database(error) => {
            let code = error.code().unwrap_or_default();
            // Who may connect (28), no such database or schema, no right to do it or not a
            // statement for what there is (42).
            code.starts_with("28") || code.starts_with("42") || matches!(&*code, "3D000" | "3F000")
        }
        sqlx::Error::Tls(_) | sqlx::Error::Configuration(_) | sqlx::Error::Protocol(_) => true,
        _ => false,
    };
    if !is_final {
        return StoreError::Unavailable(format!("{database}: {}", reason(error)));
    }
    let reason = match error {
        sqlx::Error::Database(error) => error.message().to_owned(),
        error => error.to_string(),
    };
    StoreError::Open { path: database.to_owned(), reason }
}

//! What a look through a database finds.

use std::{
    fmt,
    time::{Duration, UNIX_EPOCH},
};

use serde_json::{Value, json};

use super::sql::migrations::Schema;
use crate::domain::Timestamp;

/// The columns of a copy that was set aside, as they are asked for.
pub(super) type QuarantinedRow = (i64, String, String, i64, String, i64, i64);

/// How a database is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checkup {
    /// What is wrong; nothing if it is sound.
    pub problems: Vec<String>,
    /// The version of its schema; none where there is none.
    pub version: Option<i64>,
    /// Migrations that the server will run at its next start.
    pub pending: Vec<String>,
    /// When the newest thing in it was stored, by the server's clock.
    pub last_commit: Option<Timestamp>,
    /// Its size.
    pub bytes: u64,
    /// How many rows each table has.
    pub rows: Vec<(String, u64)>,
    /// What was set aside last, newest first; how many there are is among the rows.
    pub quarantined: Vec<Quarantined>,
}

/// A copy of a packet that was set aside.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are their documentation")]
pub struct Quarantined {
    pub arrived: Timestamp,
    pub reason: String,
    pub sender: String,
    pub packet_id: u64,
    pub gateway: String,
    pub port: u64,
    pub payload_bytes: u64,
}

impl Checkup {
    /// Whether there is such a table.
    pub(super) fn has(&self, table: &str) -> bool {
        self.rows.iter().any(|(other, _)| other == table)
    }

    /// Takes in how the schema is. Answers whether its tables mean what they mean here.
    pub(super) fn compare(&mut self, schema: Schema) -> bool {
        let is_known = schema.version.is_some() && schema.trouble.is_none();
        self.version = schema.version;
        self.pending = schema.pending;
        self.problems.extend(schema.trouble);
        is_known
    }

    /// Takes in how often there is what must not be.
    pub(super) fn break_rule(&mut self, what: &str, count: i64) {
        if count > 0 {
            self.problems.push(format!("{count} {what}"));
        }
    }

    /// Takes in when the newest thing of a table was stored.
    pub(super) fn newest(&mut self, millis: Option<i64>) {
        self.last_commit = self.last_commit.max(millis.map(Timestamp::from_millis));
    }

    /// Takes in what was set aside last.
    pub(super) fn set_aside(&mut self, rows: Vec<QuarantinedRow>) {
        let copies = rows.into_iter().map(|row| {
            let (arrived, reason, sender, packet_id, gateway, port, payload_bytes) = row;
            Quarantined {
                arrived: Timestamp::from_millis(arrived),
                reason,
                sender,
                packet_id: packet_id.cast_unsigned(),
                gateway,
                port: port.unsigned_abs(),
                payload_bytes: payload_bytes.unsigned_abs(),
            }
        });
        self.quarantined = copies.collect();
    }

    /// For programs.
    pub fn to_json(&self) -> Value {
        let rows = self.rows.iter().map(|(table, rows)| (table.clone(), json!(rows)));
        let quarantined = self.quarantined.iter().map(|copy| {
            json!({
                "arrived": copy.arrived.as_millis(),
                "reason": copy.reason,
                "sender": copy.sender,
                "packetId": copy.packet_id,
                "gateway": copy.gateway,
                "port": copy.port,
                "payloadBytes": copy.payload_bytes,
            })
        });
        json!({
            "sound": self.problems.is_empty(),
            "problems": self.problems,
            "schema": { "version": self.version, "pending": self.pending },
            "lastCommit": self.last_commit.map(Timestamp::as_millis),
            "bytes": self.bytes,
            "rows": Value::Object(rows.collect()),
            "quarantined": quarantined.collect::<Vec<_>>(),
        })
    }
}

impl fmt::Display for Checkup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.version {
            Some(version) => write!(f, "schema       version {version}")?,
            None => write!(f, "schema       none")?,
        }
        match &*self.pending {
            [] => writeln!(f, ", up to date")?,
            pending => writeln!(f, ", older than this program: {} to run", pending.join(", "))?,
        }
        let last_commit = self.last_commit.map_or_else(|| "never".to_owned(), date);
        writeln!(f, "last commit  {last_commit}")?;
        writeln!(f, "size         {} bytes", self.bytes)?;
        for (table, rows) in &self.rows {
            writeln!(f, "{table:<12} {rows}")?;
        }
        for copy in &self.quarantined {
            let Quarantined { sender, packet_id, gateway, port, payload_bytes, reason, .. } = copy;
            writeln!(
                f,
                "set aside    {}: packet {packet_id} of {sender} by {gateway}, port {port}, \
                 {payload_bytes} bytes: {reason}",
                date(copy.arrived)
            )?;
        }
        for problem in &self.problems {
            writeln!(f, "problem      {problem}")?;
        }
        match self.problems.len() {
            0 => write!(f, "sound"),
            1 => write!(f, "not sound: 1 problem"),
            problems => write!(f, "not sound: {problems} problems"),
        }
    }
}

/// A moment as people write it. A moment that has no such form is told in milliseconds.
fn date(time: Timestamp) -> String {
    // Where the four digits of a year end.
    const END: i64 = 253_402_300_800_000;
    match time.as_millis() {
        millis @ 0..END => {
            let since = Duration::from_millis(millis.unsigned_abs());
            humantime::format_rfc3339_seconds(UNIX_EPOCH + since).to_string()
        }
        millis => format!("{millis} ms since 1970"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_any_time_are_told() {
        assert_eq!(date(Timestamp::from_millis(1_790_000_000_999)), "2026-09-21T14:13:20Z");
        for millis in [i64::MIN, -1, 0, 253_402_300_799_999, 253_402_300_800_000, i64::MAX] {
            assert!(!date(Timestamp::from_millis(millis)).is_empty());
        }
    }
}

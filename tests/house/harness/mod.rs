//! What the stories are told with.

pub(crate) mod command;
pub(crate) mod database;
pub(crate) mod event_source;
pub(crate) mod gateway;
pub(crate) mod geocast;
pub(crate) mod mirror;
pub(crate) mod radio;
pub(crate) mod raw;
pub(crate) mod schema;
pub(crate) mod screen;

use std::{path::PathBuf, time::Duration};

pub(crate) use command::{answer, command, database_url, one_line, refusal};
pub(crate) use database::Database;
pub(crate) use event_source::EventSource;
pub(crate) use gateway::Gateway;
pub(crate) use geocast::Geocast;
pub(crate) use mirror::Mirror;
pub(crate) use radio::{Radio, now_millis};
pub(crate) use raw::RawSocket;
pub(crate) use schema::Schema;
pub(crate) use screen::Screen;

/// How long anything may take before a test fails.
pub(crate) const DEADLINE: Duration = Duration::from_mins(1);

/// Where material that is shared between projects lies; none where there is no such folder.
pub(crate) fn shared(file: &str) -> Option<PathBuf> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared");
    let folder = std::env::var_os("GEOCAST_SHARED").map_or_else(|| beside.into(), PathBuf::from);
    let path = folder.join(file);
    if path.exists() {
        return Some(path);
    }
    #[expect(clippy::print_stderr, reason = "a test that is skipped must say so")]
    {
        eprintln!("skipped: {} is not here, so there is nothing to compare with", path.display());
    }
    None
}

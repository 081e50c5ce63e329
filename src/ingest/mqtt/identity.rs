//! The name under which brokers know this server.

use crate::ingest::hash::fnv1a;

/// A name that stays the same as long as the machine, the folder and the database do, and differs
/// from that of every other server.
pub fn own_client_id(database_url: &str) -> String {
    let machine = ["/etc/machine-id", "/etc/hostname"]
        .iter()
        .find_map(|path| std::fs::read_to_string(path).ok())
        .unwrap_or_default();
    let folder = std::env::current_dir().unwrap_or_default();
    let all = format!("{}\n{}\n{database_url}", machine.trim(), folder.display());
    format!("geocast-{:016x}", fnv1a(all.as_bytes()))
}

//! What a check asks, in any database.

/// What must not be, in which tables, and how it is counted.
pub(in crate::storage) const RULES: &[(&str, &[&str], &str)] = &[
    (
        "receptions of packets that are not there",
        &["packets", "receptions"],
        "SELECT count(*) FROM receptions WHERE NOT EXISTS \
         (SELECT 1 FROM packets WHERE packets.id = receptions.packet)",
    ),
    (
        "packets that no gateway handed over",
        &["packets", "receptions"],
        "SELECT count(*) FROM packets WHERE NOT EXISTS \
         (SELECT 1 FROM receptions WHERE receptions.packet = packets.id)",
    ),
    (
        "packets stored twice",
        &["packets"],
        "SELECT count(*) FROM ( \
            SELECT received_at - lag(received_at) OVER ( \
                PARTITION BY sender, packet_id, network ORDER BY received_at) AS gap \
            FROM packets) AS pairs \
         WHERE gap <= 900000",
    ),
];

/// When the newest thing was stored, by table.
pub(in crate::storage) const NEWEST: &[(&str, &str)] = &[
    ("receptions", "SELECT max(arrived) FROM receptions"),
    ("absences", "SELECT max(ended_at) FROM absences"),
    ("quarantine", "SELECT max(arrived) FROM quarantine"),
];

/// Those set aside last.
pub(in crate::storage) const QUARANTINED: &str = "\
    SELECT arrived, reason, sender, packet_id, gateway, CAST(port AS BIGINT), \
        CAST(length(payload) AS BIGINT) FROM quarantine ORDER BY id DESC LIMIT 5";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twice_is_within_the_window_in_which_a_key_stands_for_one_packet() {
        let window_ms = crate::domain::PACKET_WINDOW.as_millis();
        let (.., sql) = RULES.last().unwrap();
        assert!(sql.ends_with(&format!("gap <= {window_ms}")));
    }
}

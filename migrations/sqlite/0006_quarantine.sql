-- Copies of packets that the database refused, each with its reason: so that one of them holds up
-- no other. Limited in number and size; the oldest go.

CREATE TABLE quarantine (
    id        INTEGER PRIMARY KEY,
    -- When the copy came to this server.
    arrived   INTEGER NOT NULL,
    reason    TEXT    NOT NULL,
    network   TEXT    NOT NULL,
    sender    TEXT    NOT NULL,
    packet_id INTEGER NOT NULL,
    gateway   TEXT    NOT NULL,
    port      INTEGER NOT NULL,
    channel   TEXT,
    payload   BLOB    NOT NULL
) STRICT;

CREATE INDEX quarantine_by_key ON quarantine (sender, packet_id);

-- Copies of packets that the database refused, each with its reason: so that one of them holds up
-- no other. Limited in number and size; the oldest go.

CREATE TABLE quarantine (
    id        BIGINT  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- When the copy came to this server.
    arrived   BIGINT  NOT NULL,
    reason    TEXT    NOT NULL,
    network   TEXT    NOT NULL,
    sender    TEXT    NOT NULL COLLATE "C",
    packet_id BIGINT  NOT NULL,
    gateway   TEXT    NOT NULL,
    port      INTEGER NOT NULL,
    channel   TEXT,
    payload   BYTEA   NOT NULL
);

CREATE INDEX quarantine_by_key ON quarantine (sender, packet_id);

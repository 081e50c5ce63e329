-- Why what nodes said is not shown: for whoever asks after a restart. Says nothing of what they said.
-- Limited in number; the oldest go.

CREATE TABLE refusals (
    id           INTEGER PRIMARY KEY,
    node         TEXT    NOT NULL,
    time         INTEGER NOT NULL,
    reason       TEXT    NOT NULL,
    -- Of the channel whose key is missing.
    channel_hash INTEGER,
    -- NULL where it would say where somebody is who is not to be shown.
    topic        TEXT,
    gateway      TEXT,
    port         INTEGER
) STRICT;

CREATE INDEX refusals_by_node ON refusals (node);

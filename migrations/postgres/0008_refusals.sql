-- Why what nodes said is not shown: for whoever asks after a restart. Says nothing of what they said.
-- Limited in number; the oldest go.

CREATE TABLE refusals (
    id           BIGINT  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    node         TEXT    NOT NULL COLLATE "C",
    time         BIGINT  NOT NULL,
    reason       TEXT    NOT NULL,
    -- Of the channel whose key is missing.
    channel_hash BIGINT,
    -- NULL where it would say where somebody is who is not to be shown.
    topic        TEXT,
    gateway      TEXT,
    port         INTEGER
);

CREATE INDEX refusals_by_node ON refusals (node);

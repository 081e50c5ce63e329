-- What packets said, one row for each packet that said it. The rows outlive their packets, so
-- nothing refers to those. Coordinates are in units of 1e-7 degrees.

CREATE TABLE positions (
    packet           BIGINT  NOT NULL,
    node             TEXT    NOT NULL COLLATE "C",
    -- Source time, the time heard, and whether the source time is by the node's own clock.
    time             BIGINT  NOT NULL,
    heard            BIGINT  NOT NULL,
    own_clock        BOOLEAN NOT NULL,
    latitude_e7      INTEGER NOT NULL,
    longitude_e7     INTEGER NOT NULL,
    altitude_m       INTEGER,
    ground_speed_kmh REAL,
    ground_track_deg REAL,
    sats_in_view     BIGINT,
    precision_bits   SMALLINT
) PARTITION BY RANGE (heard);

CREATE TABLE positions_default PARTITION OF positions DEFAULT;
CREATE INDEX positions_by_node ON positions (node, time, packet);
CREATE INDEX positions_by_time ON positions (time, packet);

CREATE TABLE telemetry (
    packet    BIGINT  NOT NULL,
    node      TEXT    NOT NULL COLLATE "C",
    time      BIGINT  NOT NULL,
    heard     BIGINT  NOT NULL,
    own_clock BOOLEAN NOT NULL,
    section   TEXT    NOT NULL,
    -- A JSON object: metric to value.
    readings  TEXT    NOT NULL
) PARTITION BY RANGE (heard);

CREATE TABLE telemetry_default PARTITION OF telemetry DEFAULT;
CREATE INDEX telemetry_by_node ON telemetry (node, time, packet);
CREATE INDEX telemetry_by_time ON telemetry (time, packet);

CREATE TABLE messages (
    packet                BIGINT  NOT NULL,
    network               TEXT    NOT NULL,
    packet_id             BIGINT  NOT NULL,
    sender                TEXT    NOT NULL COLLATE "C",
    channel               TEXT,
    text                  TEXT    NOT NULL,
    -- When it was heard.
    time                  BIGINT  NOT NULL,
    -- All NULL where the message marks no place.
    waypoint_id           BIGINT,
    waypoint_latitude_e7  INTEGER,
    waypoint_longitude_e7 INTEGER,
    waypoint_description  TEXT,
    waypoint_icon         BIGINT,
    waypoint_expires      BIGINT
) PARTITION BY RANGE (time);

CREATE TABLE messages_default PARTITION OF messages DEFAULT;
CREATE INDEX messages_by_sender ON messages (sender, time, packet);
CREATE INDEX messages_by_time ON messages (time, packet);

CREATE SEQUENCE link_rows;

CREATE TABLE links (
    id        BIGINT NOT NULL DEFAULT nextval('link_rows'),
    packet    BIGINT NOT NULL,
    -- Who was heard, and who heard it.
    from_node TEXT   NOT NULL COLLATE "C",
    to_node   TEXT   NOT NULL COLLATE "C",
    time      BIGINT NOT NULL,
    snr_db    REAL,
    source    TEXT   NOT NULL
) PARTITION BY RANGE (time);

CREATE TABLE links_default PARTITION OF links DEFAULT;
CREATE INDEX links_by_from ON links (from_node, time, id);
CREATE INDEX links_by_to ON links (to_node, time, id);
CREATE INDEX links_by_time ON links (time, id);

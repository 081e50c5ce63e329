-- What packets said, one row for each packet that said it. The rows outlive their packets, so
-- nothing refers to those. Coordinates are in units of 1e-7 degrees.

CREATE TABLE positions (
    packet           INTEGER PRIMARY KEY,
    node             TEXT    NOT NULL,
    -- Source time, the time heard, and whether the source time is by the node's own clock.
    time             INTEGER NOT NULL,
    heard            INTEGER NOT NULL,
    own_clock        INTEGER NOT NULL,
    latitude_e7      INTEGER NOT NULL,
    longitude_e7     INTEGER NOT NULL,
    altitude_m       INTEGER,
    ground_speed_kmh REAL,
    ground_track_deg REAL,
    sats_in_view     INTEGER,
    precision_bits   INTEGER
) STRICT;

CREATE INDEX positions_by_node ON positions (node, time);
CREATE INDEX positions_by_time ON positions (time);

CREATE TABLE telemetry (
    packet    INTEGER PRIMARY KEY,
    node      TEXT    NOT NULL,
    time      INTEGER NOT NULL,
    heard     INTEGER NOT NULL,
    own_clock INTEGER NOT NULL,
    section   TEXT    NOT NULL,
    -- A JSON object: metric to value.
    readings  TEXT    NOT NULL
) STRICT;

CREATE INDEX telemetry_by_node ON telemetry (node, time);
CREATE INDEX telemetry_by_time ON telemetry (time);

CREATE TABLE messages (
    packet                INTEGER PRIMARY KEY,
    network               TEXT    NOT NULL,
    packet_id             INTEGER NOT NULL,
    sender                TEXT    NOT NULL,
    channel               TEXT,
    text                  TEXT    NOT NULL,
    -- When it was heard.
    time                  INTEGER NOT NULL,
    -- All NULL where the message marks no place.
    waypoint_id           INTEGER,
    waypoint_latitude_e7  INTEGER,
    waypoint_longitude_e7 INTEGER,
    waypoint_description  TEXT,
    waypoint_icon         INTEGER,
    waypoint_expires      INTEGER
) STRICT;

CREATE INDEX messages_by_sender ON messages (sender, time);
CREATE INDEX messages_by_time ON messages (time);

CREATE TABLE links (
    id        INTEGER PRIMARY KEY,
    packet    INTEGER NOT NULL,
    -- Who was heard, and who heard it.
    from_node TEXT    NOT NULL,
    to_node   TEXT    NOT NULL,
    time      INTEGER NOT NULL,
    snr_db    REAL,
    source    TEXT    NOT NULL
) STRICT;

CREATE INDEX links_by_from ON links (from_node, time);
CREATE INDEX links_by_to ON links (to_node, time);
CREATE INDEX links_by_time ON links (time);

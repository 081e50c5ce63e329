-- The latest state of every node: what its packets, merged in the order they came, say of it.

CREATE TABLE nodes (
    id                 TEXT    NOT NULL PRIMARY KEY,
    network            TEXT    NOT NULL,
    last_heard         INTEGER NOT NULL,
    short_name         TEXT,
    long_name          TEXT,
    hw_model           TEXT,
    role               TEXT,
    firmware           TEXT,
    channel            TEXT,
    -- When the names above were last stated; NULL before they ever were.
    info_heard         INTEGER,
    -- The position: all NULL where none is known.
    position_time      INTEGER,
    position_heard     INTEGER,
    position_own_clock INTEGER,
    latitude_e7        INTEGER,
    longitude_e7       INTEGER,
    altitude_m         INTEGER,
    ground_speed_kmh   REAL,
    ground_track_deg   REAL,
    sats_in_view       INTEGER,
    precision_bits     INTEGER,
    -- JSON; NULL where nothing is known.
    telemetry          TEXT,
    links              TEXT
) STRICT, WITHOUT ROWID;

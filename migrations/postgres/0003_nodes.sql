-- The latest state of every node: what its packets, merged in the order they came, say of it.

CREATE TABLE nodes (
    id                 TEXT   NOT NULL COLLATE "C" PRIMARY KEY,
    network            TEXT   NOT NULL,
    last_heard         BIGINT NOT NULL,
    short_name         TEXT,
    long_name          TEXT,
    hw_model           TEXT,
    role               TEXT,
    firmware           TEXT,
    channel            TEXT,
    -- When the names above were last stated; NULL before they ever were.
    info_heard         BIGINT,
    -- The position: all NULL where none is known.
    position_time      BIGINT,
    position_heard     BIGINT,
    position_own_clock BOOLEAN,
    latitude_e7        INTEGER,
    longitude_e7       INTEGER,
    altitude_m         INTEGER,
    ground_speed_kmh   REAL,
    ground_track_deg   REAL,
    sats_in_view       BIGINT,
    precision_bits     SMALLINT,
    -- JSON; NULL where nothing is known.
    telemetry          TEXT,
    links              TEXT
) WITH (fillfactor = 70); -- Every packet changes a row, and no indexed column: room for it on its page.

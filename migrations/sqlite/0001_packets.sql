-- Packets, each as first heard, and the copies of them that gateways handed in.
--
-- Times are milliseconds since 1970. Node ids are text as the protocol writes them.

CREATE TABLE packets (
    id          INTEGER PRIMARY KEY,
    network     TEXT    NOT NULL,
    sender      TEXT    NOT NULL,
    -- 64 bits without a sign, kept as the signed number with the same bits.
    packet_id   INTEGER NOT NULL,
    -- When the first copy came to this server.
    received_at INTEGER NOT NULL,
    port        INTEGER NOT NULL,
    channel     TEXT,
    -- Whom it is meant for; NULL for everybody.
    addressee   TEXT,
    payload     BLOB    NOT NULL
) STRICT;

CREATE INDEX packets_by_key ON packets (sender, packet_id, received_at);
CREATE INDEX packets_by_time ON packets (received_at);

CREATE TABLE receptions (
    packet    INTEGER NOT NULL,
    gateway   TEXT    NOT NULL,
    arrived   INTEGER NOT NULL,
    snr_db    REAL,
    rssi_dbm  INTEGER,
    hop_start INTEGER,
    hop_limit INTEGER,
    PRIMARY KEY (packet, gateway)
) STRICT, WITHOUT ROWID;

-- Spans in which this server did not run. They do not age the packets stored before.
CREATE TABLE absences (
    began_at INTEGER NOT NULL,
    ended_at INTEGER NOT NULL
) STRICT;

-- What retention needs, and questions by place and time.

-- Positions by time, with their place: those elsewhere are passed over without a look at their rows.
DROP INDEX positions_by_time;
CREATE INDEX positions_by_time ON positions (time, latitude_e7, longitude_e7);

-- One row: how many rows each history has, so that nobody has to count them, and the highest number
-- that a packet ever got, which stays when its row is removed.
CREATE TABLE tallies (
    id         INTEGER PRIMARY KEY CHECK (id = 1),
    last_row   INTEGER NOT NULL,
    packets    INTEGER NOT NULL,
    receptions INTEGER NOT NULL,
    positions  INTEGER NOT NULL,
    telemetry  INTEGER NOT NULL,
    messages   INTEGER NOT NULL,
    links      INTEGER NOT NULL
) STRICT;

INSERT INTO tallies
SELECT
    1,
    max(
        coalesce((SELECT max(id) FROM packets), 0),
        coalesce((SELECT max(packet) FROM positions), 0),
        coalesce((SELECT max(packet) FROM telemetry), 0),
        coalesce((SELECT max(packet) FROM messages), 0)
    ),
    (SELECT count(*) FROM packets),
    (SELECT count(*) FROM receptions),
    (SELECT count(*) FROM positions),
    (SELECT count(*) FROM telemetry),
    (SELECT count(*) FROM messages),
    (SELECT count(*) FROM links);

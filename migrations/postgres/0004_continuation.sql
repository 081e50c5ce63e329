-- What a run leaves for the next one, so that clients can go on from where they were: one row, put in
-- at the end of a run and taken out at the start of the next.
CREATE TABLE continuation (
    id      INTEGER PRIMARY KEY CHECK (id = 1),
    content BYTEA   NOT NULL
);

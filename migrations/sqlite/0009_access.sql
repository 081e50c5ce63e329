-- Who may see and do what. Of what somebody says to be known, only a hash is kept (SHA-256).

CREATE TABLE tokens (
    id         TEXT    PRIMARY KEY,
    hash       BLOB    NOT NULL UNIQUE,
    name       TEXT    NOT NULL,
    role       TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    revoked_at INTEGER
) STRICT;

-- Browsers that signed in. A session ends with what it was opened with.
CREATE TABLE sessions (
    hash       BLOB    PRIMARY KEY,
    -- The token that it was opened with; none where it was something else.
    token_id   TEXT,
    -- What else must still hold: the hash of the administrator's token of the settings, say.
    basis      BLOB    NOT NULL,
    name       TEXT    NOT NULL,
    role       TEXT    NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;

-- The key that share links are signed with: one row. With another key all links are void.
CREATE TABLE share_key (
    id  INTEGER PRIMARY KEY CHECK (id = 1),
    key BLOB    NOT NULL
) STRICT;

-- What was done with more than a look at the map, and attempts at it. Limited in number; the
-- oldest go.
CREATE TABLE audit (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    time    INTEGER NOT NULL,
    actor   TEXT    NOT NULL,
    role    TEXT    NOT NULL,
    address TEXT    NOT NULL,
    action  TEXT    NOT NULL,
    target  TEXT    NOT NULL,
    outcome TEXT    NOT NULL
) STRICT;

CREATE INDEX audit_by_outcome ON audit (outcome, id);

-- Who may see and do what. Of what somebody says to be known, only a hash is kept (SHA-256).

CREATE TABLE tokens (
    id         TEXT   PRIMARY KEY,
    hash       BYTEA  NOT NULL UNIQUE,
    name       TEXT   NOT NULL,
    role       TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    revoked_at BIGINT
);

-- Browsers that signed in. A session ends with what it was opened with.
CREATE TABLE sessions (
    hash       BYTEA  PRIMARY KEY,
    -- The token that it was opened with; none where it was something else.
    token_id   TEXT,
    -- What else must still hold: the hash of the administrator's token of the settings, say.
    basis      BYTEA  NOT NULL,
    name       TEXT   NOT NULL,
    role       TEXT   NOT NULL,
    expires_at BIGINT NOT NULL
);

-- The key that share links are signed with: one row. With another key all links are void.
CREATE TABLE share_key (
    id  INTEGER PRIMARY KEY CHECK (id = 1),
    key BYTEA   NOT NULL
);

-- What was done with more than a look at the map, and attempts at it. Limited in number; the
-- oldest go.
CREATE TABLE audit (
    id      BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    time    BIGINT NOT NULL,
    actor   TEXT   NOT NULL,
    role    TEXT   NOT NULL,
    address TEXT   NOT NULL,
    action  TEXT   NOT NULL,
    target  TEXT   NOT NULL,
    outcome TEXT   NOT NULL
);

CREATE INDEX audit_by_outcome ON audit (outcome, id);

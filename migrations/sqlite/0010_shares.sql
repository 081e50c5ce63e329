-- Share links that were made, so that one of them can be made void. The link itself is not kept.

CREATE TABLE shares (
    id         TEXT   PRIMARY KEY,
    made_by    TEXT   NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    revoked_at INTEGER,
    -- What it shows: JSON, as it is signed.
    content    TEXT   NOT NULL
) STRICT;

-- Share links that were made, so that one of them can be made void. The link itself is not kept.

CREATE TABLE shares (
    id         TEXT   PRIMARY KEY,
    made_by    TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    revoked_at BIGINT,
    -- What it shows: JSON, as it is signed.
    content    TEXT   NOT NULL
);

-- What policy has to know of what is stored, and who is kept out.

-- Whether the sender agreed that the packet goes to MQTT: 1 or 0, NULL if it did not say.
ALTER TABLE packets ADD COLUMN ok_to_mqtt INTEGER;
-- The name of the rules that it came in by; NULL for the general ones.
ALTER TABLE packets ADD COLUMN source TEXT;
ALTER TABLE positions ADD COLUMN source TEXT;
ALTER TABLE messages ADD COLUMN source TEXT;

CREATE TABLE kept_out (
    node   TEXT    NOT NULL PRIMARY KEY,
    why    TEXT    NOT NULL,
    -- When that was said, by the clock of whoever heard it.
    since  INTEGER NOT NULL,
    -- Whether everything that was stored of the node is gone.
    erased INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- One row.
CREATE TABLE policy (
    id          INTEGER PRIMARY KEY CHECK (id = 1),
    -- Of the policy that everything stored was held to; 64 bits without a sign, kept as the signed
    -- number with the same bits.
    fingerprint INTEGER,
    -- Counts the changes of who is kept out.
    changes     INTEGER NOT NULL
) STRICT;

INSERT INTO policy (id, changes) VALUES (1, 0);

-- What policy has to know of what is stored, and who is kept out.

-- Whether the sender agreed that the packet goes to MQTT: 1 or 0, NULL if it did not say.
ALTER TABLE packets ADD COLUMN ok_to_mqtt SMALLINT;
-- The name of the rules that it came in by; NULL for the general ones.
ALTER TABLE packets ADD COLUMN source TEXT;
ALTER TABLE positions ADD COLUMN source TEXT;
ALTER TABLE messages ADD COLUMN source TEXT;

CREATE TABLE kept_out (
    node   TEXT    NOT NULL COLLATE "C" PRIMARY KEY,
    why    TEXT    NOT NULL,
    -- When that was said, by the clock of whoever heard it.
    since  BIGINT  NOT NULL,
    -- Whether everything that was stored of the node is gone.
    erased BOOLEAN NOT NULL
);

-- One row.
CREATE TABLE policy (
    id          INTEGER PRIMARY KEY CHECK (id = 1),
    -- Of the policy that everything stored was held to; 64 bits without a sign, kept as the signed
    -- number with the same bits.
    fingerprint BIGINT,
    -- Counts the changes of who is kept out.
    changes     BIGINT NOT NULL
);

INSERT INTO policy (id, changes) VALUES (1, 0);

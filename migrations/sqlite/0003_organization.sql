-- What the organisation is recognised by, whose versions stand in the ledger: one row.

CREATE TABLE wavepin_organization (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    -- JSON: connections, id, confirmed.
    evidence TEXT NOT NULL
) STRICT;

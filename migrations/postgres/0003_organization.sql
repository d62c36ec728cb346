-- What the organisation is recognised by, whose versions stand in the ledger: one row.

CREATE TABLE wavepin.organization (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    -- JSON: connections, id, confirmed.
    evidence text NOT NULL
);

-- The request budget of each key: how many requests the last window saw, whoever sent them.

-- Keys by their hash.
CREATE TABLE wavepin_budget_key (
    key TEXT PRIMARY KEY,
    -- The last pause after a 429. Times are microseconds since 1970-01-01 UTC.
    paused_at INTEGER,
    paused_until INTEGER,
    strikes INTEGER NOT NULL DEFAULT 0,
    -- While the key comes back after it: how many requests may be without an answer at once.
    at_once INTEGER
) STRICT;

-- One row a place, as many as a window holds; deleted once it is free.
CREATE TABLE wavepin_budget_slot (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL REFERENCES wavepin_budget_key (key),
    rate INTEGER NOT NULL,
    taken_at INTEGER NOT NULL,
    answered INTEGER NOT NULL DEFAULT 0,
    free_at INTEGER NOT NULL
) STRICT;

CREATE INDEX wavepin_budget_slot_key ON wavepin_budget_slot (key);

-- The request budget of each key: how many requests the last window saw, whoever sent them.

-- Keys by their hash. Who looks for a place locks the key's row.
CREATE TABLE wavepin.budget_key (
    key text PRIMARY KEY,
    -- The last pause after a 429.
    paused_at timestamptz,
    paused_until timestamptz,
    strikes integer NOT NULL DEFAULT 0,
    -- While the key comes back after it: how many requests may be without an answer at once.
    at_once integer
);

-- One row a place, as many as a window holds; deleted once it is free. `free_at` is in no index, so that a change of it
-- finds room on the row's own page.
CREATE TABLE wavepin.budget_slot (
    key text NOT NULL REFERENCES wavepin.budget_key (key),
    id bigint GENERATED ALWAYS AS IDENTITY,
    rate integer NOT NULL,
    taken_at timestamptz NOT NULL,
    answered boolean NOT NULL DEFAULT false,
    free_at timestamptz NOT NULL,
    PRIMARY KEY (key, id)
) WITH (fillfactor = 50);

-- What checks of rollouts were answered: a row for each answer that differs from the one before, and for the first one after
-- each move of its wave. Append-only, but for the time at which it was last answered so.

CREATE TABLE wavepin_rollout_check (
    id INTEGER PRIMARY KEY,
    -- When it was first and last asked and answered so.
    at INTEGER NOT NULL,
    asked_at INTEGER NOT NULL,
    environment TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    wave TEXT NOT NULL,
    name TEXT NOT NULL,
    -- Passed, Failed, Unknown.
    outcome TEXT NOT NULL,
    -- How often in a row it had failed, to its limit.
    failures INTEGER NOT NULL,
    -- Who fails; of a check that failed and names nobody, all of the wave. A JSON list.
    failing TEXT NOT NULL,
    message TEXT NOT NULL
) STRICT;

CREATE INDEX wavepin_rollout_check_by_wave ON wavepin_rollout_check (environment, attempt, wave, name, id);

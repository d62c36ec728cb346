-- What checks of rollouts were answered: a row for each answer that differs from the one before, and for the first one after
-- each move of its wave. Append-only, but for the time at which it was last answered so.

CREATE TABLE wavepin.rollout_check (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- When it was first and last asked and answered so.
    at timestamptz NOT NULL,
    asked_at timestamptz NOT NULL,
    environment text NOT NULL,
    attempt integer NOT NULL,
    wave text NOT NULL,
    name text NOT NULL,
    -- Passed, Failed, Unknown.
    outcome text NOT NULL,
    -- How often in a row it had failed, to its limit.
    failures integer NOT NULL,
    -- Who fails; of a check that failed and names nobody, all of the wave.
    failing text[] NOT NULL,
    message text NOT NULL
);

CREATE INDEX rollout_check_by_wave ON wavepin.rollout_check (environment, attempt, wave, name, id);

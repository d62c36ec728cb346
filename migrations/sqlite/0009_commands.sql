-- What people order past the declared objects. Append-only: what was ordered is lifted by another row.

CREATE TABLE wavepin_command (
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    environment TEXT NOT NULL,
    -- RollBack, Lift.
    kind TEXT NOT NULL,
    -- Who goes back: what an attempt of a rollout has moved, all of it or one wave; or one tenant.
    attempt INTEGER,
    wave TEXT,
    tenant TEXT,
    -- The order that counts no longer.
    lifts INTEGER REFERENCES wavepin_command (id),
    ordered_by TEXT NOT NULL,
    reason TEXT NOT NULL,
    CHECK ((kind = 'Lift') = (lifts IS NOT NULL))
) STRICT;

-- Why an attempt of a rollout was stopped.
ALTER TABLE wavepin_rollout_event ADD COLUMN why TEXT;

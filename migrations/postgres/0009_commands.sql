-- What people order past the declared objects. Append-only: what was ordered is lifted by another row.

CREATE TABLE wavepin.command (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    environment text NOT NULL,
    -- RollBack, Lift.
    kind text NOT NULL,
    -- Who goes back: what an attempt of a rollout has moved, all of it or one wave; or one tenant.
    attempt integer,
    wave text,
    tenant text,
    -- The order that counts no longer.
    lifts bigint REFERENCES wavepin.command (id),
    ordered_by text NOT NULL,
    reason text NOT NULL,
    CHECK ((kind = 'Lift') = (lifts IS NOT NULL))
);

-- Why an attempt of a rollout was stopped.
ALTER TABLE wavepin.rollout_event ADD COLUMN why text;

-- What happened to the rollouts of an environment: how far they are is what these rows add up to. Append-only.

CREATE TABLE wavepin.rollout_event (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    environment text NOT NULL,
    attempt integer NOT NULL CHECK (attempt > 0),
    -- Started, Opened, Ended, Completed.
    kind text NOT NULL,
    -- Of what is told of a wave; else empty.
    wave text NOT NULL DEFAULT '',
    members integer,
    target integer NOT NULL,
    plan text NOT NULL,
    holder text NOT NULL,
    -- Each happens once.
    UNIQUE (environment, attempt, kind, wave)
);

-- Of which wave a batch was, where tenants moved forward in one.
ALTER TABLE wavepin.pin_event ADD COLUMN attempt integer;
ALTER TABLE wavepin.pin_event ADD COLUMN wave text;

CREATE OR REPLACE VIEW wavepin.pin_history AS
SELECT
    event.id,
    event.at,
    event.environment,
    batch.tenant,
    event.kind,
    batch.from_version,
    event.to_version,
    event.wanted_version,
    event.reason,
    event.attempt,
    event.wave
FROM wavepin.pin_event AS event
CROSS JOIN LATERAL unnest(event.tenants, event.from_version) AS batch (tenant, from_version);

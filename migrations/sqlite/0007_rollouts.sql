-- What happened to the rollouts of an environment: how far they are is what these rows add up to. Append-only.

CREATE TABLE wavepin_rollout_event (
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    environment TEXT NOT NULL,
    attempt INTEGER NOT NULL CHECK (attempt > 0),
    -- Started, Opened, Ended, Completed.
    kind TEXT NOT NULL,
    -- Of what is told of a wave; else empty.
    wave TEXT NOT NULL DEFAULT '',
    members INTEGER,
    target INTEGER NOT NULL,
    plan TEXT NOT NULL,
    holder TEXT NOT NULL,
    -- Each happens once.
    UNIQUE (environment, attempt, kind, wave)
) STRICT;

-- Of which wave a batch was, where tenants moved forward in one.
ALTER TABLE wavepin_pin_event ADD COLUMN attempt INTEGER;
ALTER TABLE wavepin_pin_event ADD COLUMN wave TEXT;

DROP VIEW wavepin_pin_history;
CREATE VIEW wavepin_pin_history AS
SELECT
    event.id,
    strftime('%Y-%m-%dT%H:%M:%fZ', event.at / 1000000.0, 'unixepoch') AS at,
    event.environment,
    tenant.value AS tenant,
    event.kind,
    json_extract(event.from_version, '$[' || tenant.key || ']') AS from_version,
    event.to_version,
    event.wanted_version,
    event.reason,
    event.attempt,
    event.wave
FROM wavepin_pin_event AS event, json_each(event.tenants) AS tenant;

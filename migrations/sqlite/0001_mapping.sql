-- The application's own tables, with keys.
-- `model_version_id` refers to the ledger, so that no tenant can be moved to a version that nobody declared,
-- by hand either, as long as the connection has foreign keys on.

CREATE TABLE wavepin_model_version (
    version INTEGER PRIMARY KEY CHECK (version > 0),
    source TEXT NOT NULL,
    holder TEXT NOT NULL,
    connection_id TEXT,
    model_id TEXT,
    definition TEXT,
    folder_id TEXT,
    folder_path TEXT,
    source_stamp TEXT,
    plan TEXT,
    -- Times are microseconds since 1970-01-01 UTC.
    complete_at INTEGER,
    retired_at INTEGER,
    recorded_at INTEGER NOT NULL,
    CHECK ((plan IS NULL) = (complete_at IS NULL))
) STRICT;

CREATE TABLE dashboard_model (
    dashboard_id TEXT NOT NULL,
    model_version_id INTEGER NOT NULL,
    dashboard_slug TEXT NOT NULL,
    document_id TEXT,
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (model_version_id, dashboard_slug)
);

CREATE TABLE tenant_version (
    tenant_id VARCHAR NOT NULL,
    tenant_environment VARCHAR NOT NULL,
    model_version_id INTEGER NOT NULL REFERENCES wavepin_model_version (version),
    updated_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (tenant_id, tenant_environment)
);

CREATE INDEX tenant_version_model_version_id ON tenant_version (model_version_id);

CREATE TABLE wavepin_dashboard (
    version INTEGER NOT NULL REFERENCES wavepin_model_version (version),
    slug TEXT NOT NULL,
    identifier TEXT NOT NULL,
    document_id TEXT NOT NULL,
    dashboard_id TEXT NOT NULL,
    source_identifier TEXT NOT NULL,
    -- A JSON list.
    foreign_links TEXT NOT NULL,
    PRIMARY KEY (version, slug)
) STRICT;

CREATE TABLE wavepin_intent (
    version INTEGER NOT NULL REFERENCES wavepin_model_version (version),
    step TEXT NOT NULL,
    subject TEXT NOT NULL,
    opened_at INTEGER NOT NULL,
    result TEXT,
    PRIMARY KEY (version, step, subject)
) STRICT;

CREATE TABLE wavepin_claim (
    environment TEXT NOT NULL,
    tenant TEXT NOT NULL,
    holder TEXT NOT NULL,
    deletion TEXT NOT NULL,
    PRIMARY KEY (environment, tenant)
) STRICT;

-- Append-only. One row a batch; `tenants` and `from_version` are JSON lists of the same length.
CREATE TABLE wavepin_pin_event (
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    environment TEXT NOT NULL,
    kind TEXT NOT NULL,
    tenants TEXT NOT NULL,
    from_version TEXT NOT NULL,
    to_version INTEGER,
    wanted_version INTEGER NOT NULL,
    reason TEXT NOT NULL
) STRICT;

CREATE INDEX wavepin_pin_event_environment ON wavepin_pin_event (environment, id);

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
    event.reason
FROM wavepin_pin_event AS event, json_each(event.tenants) AS tenant;

-- At most one row.
CREATE TABLE wavepin_fence (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    owner TEXT NOT NULL,
    token INTEGER NOT NULL
) STRICT;

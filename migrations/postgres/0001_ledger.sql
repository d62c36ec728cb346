-- The ledger: what only Wavepin needs, in a schema of its own.

CREATE TABLE wavepin.model_version (
    version integer PRIMARY KEY CHECK (version > 0),
    source text NOT NULL,
    holder text NOT NULL,
    connection_id text,
    model_id text,
    definition text,
    folder_id text,
    folder_path text,
    source_stamp text,
    plan text,
    complete_at timestamptz,
    retired_at timestamptz,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    CHECK ((plan IS NULL) = (complete_at IS NULL))
);

CREATE TABLE wavepin.dashboard (
    version integer NOT NULL REFERENCES wavepin.model_version (version),
    slug text NOT NULL,
    identifier text NOT NULL,
    document_id text NOT NULL,
    dashboard_id text NOT NULL,
    source_identifier text NOT NULL,
    -- A JSON list.
    foreign_links text NOT NULL,
    PRIMARY KEY (version, slug)
);

CREATE TABLE wavepin.intent (
    version integer NOT NULL REFERENCES wavepin.model_version (version),
    step text NOT NULL,
    subject text NOT NULL,
    opened_at timestamptz NOT NULL,
    result text,
    PRIMARY KEY (version, step, subject)
);

CREATE TABLE wavepin.claim (
    environment text NOT NULL,
    tenant text NOT NULL,
    holder text NOT NULL,
    deletion text NOT NULL,
    PRIMARY KEY (environment, tenant)
);

-- Append-only. One row a batch: a row a tenant would cost more than the change that it records.
CREATE TABLE wavepin.pin_event (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- Not the time of the transaction's start: rows may have been waited for since.
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    environment text NOT NULL,
    kind text NOT NULL,
    tenants text[] NOT NULL,
    from_version integer[] NOT NULL,
    to_version integer,
    wanted_version integer NOT NULL,
    reason text NOT NULL,
    CHECK (cardinality(tenants) = cardinality(from_version))
);

CREATE INDEX pin_event_environment ON wavepin.pin_event (environment, id);

CREATE VIEW wavepin.pin_history AS
SELECT
    event.id,
    event.at,
    event.environment,
    batch.tenant,
    event.kind,
    batch.from_version,
    event.to_version,
    event.wanted_version,
    event.reason
FROM wavepin.pin_event AS event
CROSS JOIN LATERAL unnest(event.tenants, event.from_version) AS batch (tenant, from_version);

-- At most one row.
CREATE TABLE wavepin.fence (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    owner text NOT NULL,
    token bigint NOT NULL
);

-- The schemas where Wavepin made the application's two tables: it alters no others.
CREATE TABLE wavepin.managed_tables (
    schema_name text PRIMARY KEY,
    made_at timestamptz NOT NULL DEFAULT now()
);

-- The application's own tables, with keys; made in the first schema of the
-- search path. The reference to the ledger makes it impossible to move a tenant, by hand too, to a version that
-- nobody declared.

CREATE TABLE dashboard_model (
    dashboard_id text NOT NULL,
    model_version_id integer NOT NULL,
    dashboard_slug varchar NOT NULL,
    document_id text,
    created_at timestamp DEFAULT now(),
    updated_at timestamp DEFAULT now(),
    PRIMARY KEY (model_version_id, dashboard_slug)
);

CREATE TABLE tenant_version (
    tenant_id varchar NOT NULL,
    tenant_environment varchar NOT NULL,
    model_version_id integer NOT NULL REFERENCES wavepin.model_version (version),
    updated_at timestamp DEFAULT now(),
    PRIMARY KEY (tenant_id, tenant_environment)
);

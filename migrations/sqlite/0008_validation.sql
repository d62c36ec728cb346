-- What proved that the queries of an environment's tenants are right: JSON by environment, or nothing where none were asked
-- as, and in what was validated before there was this column.

ALTER TABLE wavepin_model_version ADD COLUMN environments TEXT;

-- How much was found when the version was last validated: JSON, or nothing where nothing ever was.
ALTER TABLE wavepin_model_version ADD COLUMN found TEXT;

-- What was found then, worst first.
CREATE TABLE wavepin_finding (
    version INTEGER NOT NULL REFERENCES wavepin_model_version (version),
    place INTEGER NOT NULL,
    -- model, content, queries or routing.
    looked_at TEXT NOT NULL,
    environment TEXT,
    slug TEXT,
    tile TEXT,
    asked_as TEXT,
    message TEXT NOT NULL,
    -- It keeps the version from tenants; otherwise it was let pass.
    blocks INTEGER NOT NULL,
    fingerprint TEXT NOT NULL,
    PRIMARY KEY (version, place)
) STRICT;

-- What proved that the queries of an environment's tenants are right: JSON by environment, or nothing where none were asked
-- as, and in what was validated before there was this column.

ALTER TABLE wavepin.model_version ADD COLUMN environments text;

-- How much was found when the version was last validated: JSON, or nothing where nothing ever was.
ALTER TABLE wavepin.model_version ADD COLUMN found text;

-- What was found then, worst first.
CREATE TABLE wavepin.finding (
    version integer NOT NULL REFERENCES wavepin.model_version (version),
    place integer NOT NULL,
    -- model, content, queries or routing.
    looked_at text NOT NULL,
    environment text,
    slug text,
    tile text,
    asked_as text,
    message text NOT NULL,
    -- It keeps the version from tenants; otherwise it was let pass.
    blocks boolean NOT NULL,
    fingerprint text NOT NULL,
    PRIMARY KEY (version, place)
);

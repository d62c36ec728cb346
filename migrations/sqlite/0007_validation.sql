-- What proved that the queries of an environment's tenants are right: JSON by environment, or nothing where none were asked
-- as, and in what was validated before there was this column.

ALTER TABLE wavepin_model_version ADD COLUMN environments TEXT;

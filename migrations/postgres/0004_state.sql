-- What was last known to be as it should: JSON, or nothing in what was recorded before there was this column.

ALTER TABLE wavepin.dashboard ADD COLUMN state text;
ALTER TABLE wavepin.model_version ADD COLUMN model_state text;

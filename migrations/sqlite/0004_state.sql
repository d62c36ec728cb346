-- What was last known to be as it should: JSON, or nothing in what was recorded before there was this column.

ALTER TABLE wavepin_dashboard ADD COLUMN state TEXT;
ALTER TABLE wavepin_model_version ADD COLUMN model_state TEXT;

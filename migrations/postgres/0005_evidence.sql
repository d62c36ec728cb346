-- What proved that a version is whole: JSON, or nothing in what was complete before there was this column.

ALTER TABLE wavepin.model_version ADD COLUMN evidence text;

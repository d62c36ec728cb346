-- The renames that a copy was made with: a JSON list, or nothing where there were none.

ALTER TABLE wavepin_dashboard ADD COLUMN renames TEXT;

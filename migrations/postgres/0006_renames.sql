-- The renames that a copy was made with: a JSON list, or nothing where there were none.

ALTER TABLE wavepin.dashboard ADD COLUMN renames text;

-- The renames that a copy was made with, and what of its source no copy has: JSON lists, or nothing where there is none.

ALTER TABLE wavepin.dashboard ADD COLUMN renames text;
ALTER TABLE wavepin.dashboard ADD COLUMN not_carried text;

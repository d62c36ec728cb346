-- The renames that a copy was made with, and what of its source no copy has: JSON lists, or nothing where there is none.

ALTER TABLE wavepin_dashboard ADD COLUMN renames TEXT;
ALTER TABLE wavepin_dashboard ADD COLUMN not_carried TEXT;

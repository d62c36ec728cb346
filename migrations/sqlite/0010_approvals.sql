-- Who approved a wave, in events of kind Approved: the name that the approval gives, whether it was proved that they made it, and the
-- object as `<namespace>/<name>`.

ALTER TABLE wavepin_rollout_event ADD COLUMN approver TEXT;
ALTER TABLE wavepin_rollout_event ADD COLUMN verified INTEGER;
ALTER TABLE wavepin_rollout_event ADD COLUMN approval TEXT;

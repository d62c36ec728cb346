-- Who approved a wave, in events of kind Approved: the name that the approval gives, whether it was proved that they made it, and the
-- object as `<namespace>/<name>`.

ALTER TABLE wavepin.rollout_event ADD COLUMN approver text;
ALTER TABLE wavepin.rollout_event ADD COLUMN verified boolean;
ALTER TABLE wavepin.rollout_event ADD COLUMN approval text;

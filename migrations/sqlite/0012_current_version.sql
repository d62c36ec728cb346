-- The version that was last rolled out to the end in each environment, and not taken back since; no row before there was one.
-- For the application, when it inserts the row of a new tenant.

CREATE VIEW wavepin_current_version AS
WITH done AS (
    SELECT event.id, event.environment, event.target FROM wavepin_rollout_event AS event
    WHERE event.kind = 'Completed' AND NOT EXISTS (
        SELECT 1 FROM wavepin_rollout_event AS stop
        WHERE stop.environment = event.environment AND stop.attempt = event.attempt AND stop.id > event.id
        AND stop.kind IN ('RolledBack', 'Ordered')
    )
)
SELECT
    done.environment,
    done.target AS version
FROM done
WHERE done.id = (SELECT max(last.id) FROM done AS last WHERE last.environment = done.environment);

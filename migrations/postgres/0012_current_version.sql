-- The version that was last rolled out to the end in an environment, and not taken back since; NULL before there was one. For
-- the application, when it inserts the row of a new tenant. It reads for its owner, so that the application needs no right on
-- the ledger's tables.

CREATE FUNCTION wavepin.current_version(environment text) RETURNS integer
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT done.target FROM wavepin.rollout_event AS done
    WHERE done.environment = $1 AND done.kind = 'Completed' AND NOT EXISTS (
        SELECT FROM wavepin.rollout_event AS stop
        WHERE stop.environment = done.environment AND stop.attempt = done.attempt AND stop.id > done.id
        AND stop.kind IN ('RolledBack', 'Ordered')
    )
    ORDER BY done.id DESC LIMIT 1
$$;

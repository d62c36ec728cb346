-- How far each channel is that is told of the rollouts of an environment: a row a channel, gone with it.

CREATE TABLE wavepin_rollout_channel (
    environment TEXT NOT NULL,
    name TEXT NOT NULL,
    -- The id of the last event of a rollout that it was told, or that is not for it.
    told_through INTEGER NOT NULL,
    -- The awaited person that it was told of last.
    waiting TEXT,
    -- How often in a row it could not be told, since when, when it is tried again, and what was wrong last.
    tries INTEGER NOT NULL DEFAULT 0,
    failing_since INTEGER,
    retry_at INTEGER,
    why TEXT NOT NULL DEFAULT '',
    -- A hash of how it was declared then: with another one it is tried at once.
    declared TEXT NOT NULL DEFAULT '',
    -- How many notifications were given up, and when the last of them was, where nothing was told since.
    given_up INTEGER NOT NULL DEFAULT 0,
    gave_up_at INTEGER,
    PRIMARY KEY (environment, name)
) STRICT;

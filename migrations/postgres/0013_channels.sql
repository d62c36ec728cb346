-- How far each channel is that is told of the rollouts of an environment: a row a channel, gone with it.

CREATE TABLE wavepin.rollout_channel (
    environment text NOT NULL,
    name text NOT NULL,
    -- The id of the last event of a rollout that it was told, or that is not for it.
    told_through bigint NOT NULL,
    -- The awaited person that it was told of last.
    waiting text,
    -- How often in a row it could not be told, since when, when it is tried again, and what was wrong last.
    tries integer NOT NULL DEFAULT 0,
    failing_since timestamptz,
    retry_at timestamptz,
    why text NOT NULL DEFAULT '',
    -- A hash of how it was declared then: with another one it is tried at once.
    declared text NOT NULL DEFAULT '',
    -- How many notifications were given up, and when the last of them was, where nothing was told since.
    given_up integer NOT NULL DEFAULT 0,
    gave_up_at timestamptz,
    PRIMARY KEY (environment, name)
);

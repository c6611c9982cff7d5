-- What bulk writes need beside the general layer: ids that are handed out before the rows are stored, and checks of them.

SELECT set_config('search_path', format('%I, pg_temp', current_schema()), true);

CREATE FUNCTION reserve_sensor_event_ids(how_many BIGINT) RETURNS SETOF BIGINT
LANGUAGE sql
SET search_path FROM CURRENT
AS $$ SELECT nextval(pg_get_serial_sequence('sensor_events', 'id')) FROM generate_series(1, how_many) $$;
COMMENT ON FUNCTION reserve_sensor_event_ids(BIGINT) IS 'Hands out ids of sensor events, for rows that are stored by key later. Ids that are not used stay unused.';

CREATE FUNCTION reserve_prediction_ids(how_many BIGINT) RETURNS SETOF BIGINT
LANGUAGE sql
SET search_path FROM CURRENT
AS $$ SELECT nextval(pg_get_serial_sequence('predictions', 'id')) FROM generate_series(1, how_many) $$;
COMMENT ON FUNCTION reserve_prediction_ids(BIGINT) IS 'Hands out ids of predictions, for rows that are stored by id later. Ids that are not used stay unused.';

CREATE FUNCTION refuse_repeated_ids(function_name TEXT, table_name TEXT, ids BIGINT[]) RETURNS VOID
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
DECLARE
    repeated RECORD;
BEGIN
    SELECT id INTO repeated FROM unnest(ids) AS id GROUP BY id HAVING count(*) > 1 OR id IS NULL ORDER BY id LIMIT 1;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    IF repeated.id IS NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'null_value_not_allowed',
            MESSAGE = format('%s(): an element of ids is NULL', function_name),
            HINT = 'Give the id of each row.',
            COLUMN = 'ids', CONSTRAINT = 'occupancy_models:uneven_columns';
    END IF;
    RAISE EXCEPTION USING
        ERRCODE = 'cardinality_violation',
        MESSAGE = format('%s(): the id %s comes twice', function_name, repeated.id),
        HINT = 'Give each id once, with the row that counts.',
        TABLE = table_name, COLUMN = repeated.id::TEXT, CONSTRAINT = 'occupancy_models:id_repeated';
END
$$;
COMMENT ON FUNCTION refuse_repeated_ids(TEXT, TEXT, BIGINT[]) IS 'Raises an error if an id is null or comes twice.';

CREATE FUNCTION refuse_unknown_ids(table_name TEXT, ids BIGINT[]) RETURNS VOID
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
DECLARE
    handed_out CONSTANT BIGINT := coalesce(pg_sequence_last_value(pg_get_serial_sequence(table_name, 'id')::REGCLASS), 0);
    unknown_id CONSTANT BIGINT := (SELECT min(id) FROM unnest(ids) AS id WHERE id > handed_out OR id < 1);
BEGIN
    IF unknown_id IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('the id %s was never handed out', unknown_id),
            HINT = 'Reserve ids first, or let the database assign them.',
            TABLE = table_name, COLUMN = unknown_id::TEXT, CONSTRAINT = 'occupancy_models:id_not_handed_out';
    END IF;
END
$$;
COMMENT ON FUNCTION refuse_unknown_ids(TEXT, BIGINT[]) IS 'Raises an error if the sequence of the table has not handed an id out.';

-- Upsert by key: for ids that are chosen before the row is stored. It lets in no id that exists with another timestamp,
-- none that comes twice, and none that the sequence has not handed out.
--
-- No index can keep the id alone unique, so those who store ids of the same range take turns. They do so by locking rows
-- of this table, which takes rights on it: an advisory lock could be taken, and kept, by any role that can connect.
CREATE TABLE sensor_event_id_locks (
    slot INT PRIMARY KEY CHECK (slot BETWEEN 0 AND 63)
);
COMMENT ON TABLE sensor_event_id_locks IS 'What upserts of sensor events by key lock while they check their ids: a row for each 64th range of 65,536 ids.';
COMMENT ON COLUMN sensor_event_id_locks.slot IS 'The ranges of ids, counted from 0, whose number leaves this remainder when divided by 64.';
INSERT INTO sensor_event_id_locks SELECT generate_series(0, 63);
SELECT diesel_timescale.keep_rows('sensor_event_id_locks', 'slot');

CREATE FUNCTION lock_sensor_event_ids(ids BIGINT[]) RETURNS VOID
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
DECLARE
    slots CONSTANT INT[] := ARRAY(SELECT DISTINCT (id >> 16) % 64 FROM unnest(ids) AS id);
    locked BIGINT;
BEGIN
    PERFORM FROM sensor_event_id_locks WHERE slot = ANY (slots) ORDER BY slot FOR UPDATE;
    GET DIAGNOSTICS locked = ROW_COUNT;
    -- A copy of the schema without its data has none of them.
    IF locked < cardinality(slots) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = 'sensor_event_id_locks lacks rows',
            HINT = 'Run: INSERT INTO sensor_event_id_locks SELECT generate_series(0, 63) ON CONFLICT DO NOTHING',
            TABLE = 'sensor_event_id_locks';
    END IF;
END
$$;
COMMENT ON FUNCTION lock_sensor_event_ids(BIGINT[]) IS 'Waits for, and holds off, every other call for ids of the same ranges to the end of the transaction.';

CREATE FUNCTION check_sensor_event_keys(ids BIGINT[], timestamps TIMESTAMPTZ[]) RETURNS VOID
LANGUAGE plpgsql
SET search_path FROM CURRENT
-- A nested loop over the batch and as many stored rows would take the square of their number.
SET enable_nestloop TO off
-- The setting above makes plans look costly enough to be compiled, which takes longer than they run.
SET jit TO off
AS $$
DECLARE
    taken RECORD;
BEGIN
    PERFORM diesel_timescale.refuse_old_snapshot('sensor_events', 'an upsert by key');
    PERFORM refuse_repeated_ids('check_sensor_event_keys', 'sensor_events', ids);
    PERFORM refuse_unknown_ids('sensor_events', ids);

    PERFORM lock_sensor_event_ids(ids);
    EXECUTE
        'SELECT e.id, e.timestamp
        FROM sensor_events AS e
        JOIN unnest($1, $2) AS i (id, timestamp) ON i.id = e.id
        WHERE e.id BETWEEN $3 AND $4 AND e.timestamp <> i.timestamp
        ORDER BY e.id
        LIMIT 1'
        INTO taken
        USING ids, timestamps, (SELECT min(id) FROM unnest(ids) AS id), (SELECT max(id) FROM unnest(ids) AS id);
    IF taken.id IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'unique_violation',
            MESSAGE = format('the id %s belongs to the event of %s', taken.id, taken.timestamp),
            HINT = 'Reserve an id for each event; an id never goes to another one.',
            TABLE = 'sensor_events', COLUMN = taken.id::TEXT, CONSTRAINT = 'occupancy_models:id_taken';
    END IF;
END
$$;
COMMENT ON FUNCTION check_sensor_event_keys(BIGINT[], TIMESTAMPTZ[]) IS 'Before events are stored by key: refuses an id that comes twice, that the sequence has not handed out, or that exists with another timestamp, and holds off others that store ids of the same ranges, to the end of the transaction.';

CREATE FUNCTION check_prediction_ids(ids BIGINT[]) RETURNS VOID
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
BEGIN
    PERFORM refuse_unknown_ids('predictions', ids);
    -- They are written in the order of their events, which may be other ones than those that are stored.
    PERFORM FROM predictions WHERE id = ANY (ids) ORDER BY id FOR NO KEY UPDATE;
END
$$;
COMMENT ON FUNCTION check_prediction_ids(BIGINT[]) IS 'Before predictions are stored by id: refuses an id that the sequence has not handed out, and locks those that are stored in the order of their ids.';

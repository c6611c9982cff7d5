-- References to sensor events that stay valid.
--
-- A hypertable cannot have a unique index on `id` alone, and a native foreign key to a hypertable and retention
-- exclude each other. So references go to `referenced_events`: a plain table with one row for each event that
-- something references. diesel_timescale creates it, with the functions and triggers that keep it: see its migration
-- `references`, which explains how they stay valid under concurrency.
--
--   register_sensor_events       makes an event referable by its id, or many by their keys
--   release_sensor_events        trigger: deletes the registration of a deleted event
--   release_all_sensor_events    trigger: TRUNCATE

SELECT set_config('search_path', format('%I, pg_temp', current_schema()), true);

SELECT diesel_timescale.create_reference_target('sensor_events', 'timestamp', id_column => 'id', registry_name => 'referenced_events');

COMMENT ON TABLE referenced_events IS 'One row for each sensor event that something references. Kept by triggers; not written by hand.';
COMMENT ON COLUMN referenced_events.id IS 'The id of the event in `sensor_events`.';
COMMENT ON COLUMN referenced_events.timestamp IS 'The timestamp of the event: with the id its key, and the way to its chunk.';

CREATE FUNCTION add_sensor_event_reference(relation REGCLASS, column_name NAME, on_delete TEXT DEFAULT 'SET NULL') RETURNS TEXT
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
BEGIN
    RETURN diesel_timescale.add_reference(relation, ARRAY[column_name], 'sensor_events', on_delete);
END
$$;
COMMENT ON FUNCTION add_sensor_event_reference(REGCLASS, NAME, TEXT) IS 'Makes a bigint column a foreign key to sensor events that stays valid through retention, and returns what it does when an event is removed: SET NULL, CASCADE or RESTRICT. A foreign key to referenced_events that is there stays. Adds an index if the column has none. Repeatable.';

CREATE FUNCTION remove_sensor_event_reference(relation REGCLASS, column_name NAME) RETURNS BOOLEAN
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
BEGIN
    RETURN diesel_timescale.remove_reference(relation, ARRAY[column_name], 'sensor_events');
END
$$;
COMMENT ON FUNCTION remove_sensor_event_reference(REGCLASS, NAME) IS 'The reverse of add_sensor_event_reference: drops the foreign keys of the column to sensor events, the trigger and its function. The index and the values stay. False if there was nothing to drop. To be called before the table is dropped, which would leave the function.';

CREATE FUNCTION clear_dangling_event_references() RETURNS BIGINT
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
BEGIN
    RETURN diesel_timescale.clear_dangling_references('sensor_events');
END
$$;
COMMENT ON FUNCTION clear_dangling_event_references() IS 'Clears the references to events that are gone, and returns how many events that were. The remedy after a plain drop_chunks.';

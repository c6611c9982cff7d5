-- Verification: finds violations of the guarantees that this schema gives.
--
-- verify_sensor_events() calls one function for each kind of violation. What references to sensor events promise is
-- verified as for any target: see the migration `verify` of diesel_timescale, which says what is read and why.

SELECT set_config('search_path', format('%I, pg_temp', current_schema()), true);

CREATE FUNCTION verify_hypertable(allow_plain_table BOOLEAN) RETURNS TABLE (violation TEXT, object TEXT, detail TEXT, remedy TEXT)
LANGUAGE plpgsql STABLE
SET search_path FROM CURRENT
AS $$
DECLARE
    hypertable CONSTANT RECORD := diesel_timescale.hypertable_report('sensor_events');
BEGIN
    IF hypertable.time_column IS NULL THEN
        IF NOT allow_plain_table THEN
            RETURN QUERY SELECT
                'not_a_hypertable', 'sensor_events',
                'The table is not a hypertable.',
                format('SELECT * FROM diesel_timescale.setup_hypertable(%L, %L)', diesel_timescale.qualified_name('sensor_events'), 'timestamp');
        END IF;
    ELSIF hypertable.time_column <> 'timestamp' THEN
        RETURN QUERY SELECT
            'wrong_dimension', 'sensor_events',
            format('The hypertable is partitioned on %I, not on "timestamp".', hypertable.time_column),
            'Create the table again and move the rows there.';
    END IF;
END
$$;
COMMENT ON FUNCTION verify_hypertable(BOOLEAN) IS 'Part of verify_sensor_events(): the hypertable and its dimension.';

CREATE FUNCTION verify_event_keys() RETURNS TABLE (violation TEXT, object TEXT, detail TEXT, remedy TEXT)
LANGUAGE plpgsql STABLE
SET search_path FROM CURRENT
AS $$
DECLARE
    events CONSTANT REGCLASS := 'sensor_events';
BEGIN
    RETURN QUERY
    SELECT
        'missing_key', 'sensor_events',
        format('There is no %s on (%s).', wanted.kind, array_to_string(wanted.columns, ', ')),
        format('ALTER TABLE %s ADD %s (%s)', diesel_timescale.qualified_name(events), wanted.kind, array_to_string(wanted.columns, ', '))
    FROM (VALUES
        ('PRIMARY KEY', 'p'::"char", ARRAY['id', 'timestamp']::NAME[]),
        ('UNIQUE', 'u'::"char", ARRAY['sensor_id', 'timestamp']::NAME[])
    ) AS wanted (kind, contype, columns)
    WHERE NOT EXISTS (
        SELECT FROM pg_constraint
        WHERE conrelid = events AND contype = wanted.contype
            AND wanted.columns = ARRAY(
                SELECT attname
                FROM unnest(conkey) WITH ORDINALITY AS key (attnum, position)
                JOIN pg_attribute ON attrelid = events AND pg_attribute.attnum = key.attnum
                ORDER BY position
            )
    );

    RETURN QUERY
    SELECT
        'id_not_generated', 'sensor_events.id',
        'The id is not GENERATED ALWAYS AS IDENTITY, so inserts can bring their own.',
        CASE attidentity
            WHEN '' THEN format(
                'DO %L',
                format(
                    'BEGIN ALTER TABLE %1$s ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY; PERFORM setval(pg_get_serial_sequence(%1$L, %2$L), max(id)) FROM %1$s; END',
                    diesel_timescale.qualified_name(events), 'id'
                )
            )
            ELSE format('ALTER TABLE %s ALTER COLUMN id SET GENERATED ALWAYS', diesel_timescale.qualified_name(events))
        END
    FROM pg_attribute
    WHERE attrelid = events AND attname = 'id' AND attidentity <> 'a';
END
$$;
COMMENT ON FUNCTION verify_event_keys() IS 'Part of verify_sensor_events(): the keys of sensor_events, and where its ids come from.';

CREATE FUNCTION verify_prediction_reference() RETURNS TABLE (violation TEXT, object TEXT, detail TEXT, remedy TEXT)
LANGUAGE plpgsql STABLE
SET search_path FROM CURRENT
AS $$
DECLARE
    predictions CONSTANT TEXT := diesel_timescale.qualified_name('predictions');
    is_not_null CONSTANT BOOLEAN := (SELECT attnotnull FROM pg_attribute WHERE attrelid = 'predictions'::REGCLASS AND attname = 'triggering_event_id');
BEGIN
    RETURN QUERY
    SELECT
        'missing_foreign_key', 'predictions.triggering_event_id',
        'predictions.triggering_event_id references sensor_events, and has no foreign key.',
        concat('SELECT ', diesel_timescale.add_reference_statement('predictions', ARRAY['triggering_event_id']::NAME[], 'sensor_events', NOT is_not_null))
    WHERE NOT EXISTS (
        SELECT FROM diesel_timescale.references_to('sensor_events', current_schema()) AS r
        WHERE r.relation = 'predictions'::REGCLASS AND r.columns = ARRAY['triggering_event_id']::NAME[]
    );

    RETURN QUERY
    SELECT
        'wrong_foreign_key', k.conname::TEXT, fault.detail, fault.remedy
    FROM pg_constraint AS k
    CROSS JOIN LATERAL (VALUES
        (
            k.confdeltype <> 'n',
            'The foreign key on predictions.triggering_event_id is not ON DELETE SET NULL.',
            format(
                'ALTER TABLE %s DROP CONSTRAINT %I, ADD FOREIGN KEY (triggering_event_id) REFERENCES %s (id) ON DELETE SET NULL',
                predictions, k.conname, diesel_timescale.qualified_name('referenced_events')
            )
        ),
        (
            is_not_null,
            'predictions.triggering_event_id is NOT NULL, so its foreign key cannot clear it, and no row that it references can be removed.',
            format('ALTER TABLE %s ALTER COLUMN triggering_event_id DROP NOT NULL', predictions)
        )
    ) AS fault (is_there, detail, remedy)
    WHERE k.contype = 'f' AND k.conrelid = 'predictions'::REGCLASS AND k.confrelid = 'referenced_events'::REGCLASS AND fault.is_there;
END
$$;
COMMENT ON FUNCTION verify_prediction_reference() IS 'Part of verify_sensor_events(): whether predictions reference events, and let them go.';

CREATE FUNCTION verify_duplicate_ids() RETURNS TABLE (violation TEXT, object TEXT, detail TEXT, remedy TEXT)
LANGUAGE plpgsql STABLE
SET search_path FROM CURRENT
SET row_security TO off
AS $$
BEGIN
    RETURN QUERY
    SELECT
        'duplicate_id', format('sensor_events.id %s', e.id),
        format('%s events have this id.', count(*)),
        -- The one that references go to stays; the others get ids of their own.
        format(
            'WITH again AS (DELETE FROM %1$s WHERE id = %2$s AND timestamp <> %3$L RETURNING *) INSERT INTO %1$s (%4$s) SELECT %4$s FROM again',
            diesel_timescale.qualified_name('sensor_events'), e.id,
            coalesce((SELECT r.timestamp FROM referenced_events AS r WHERE r.id = e.id), min(e.timestamp)),
            (SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'sensor_events'::REGCLASS AND attnum > 0 AND NOT attisdropped AND attgenerated = '' AND attname <> 'id')
        )
    FROM sensor_events AS e
    GROUP BY e.id
    HAVING count(*) > 1
    ORDER BY e.id
    LIMIT 100;
EXCEPTION WHEN insufficient_privilege THEN
    RETURN QUERY SELECT 'unchecked', 'sensor_events', format('Whether ids are unique was not read: %s.', SQLERRM), diesel_timescale.fix_unreadable('sensor_events', 'referenced_events');
END
$$;
COMMENT ON FUNCTION verify_duplicate_ids() IS 'Part of verify_sensor_events(): ids that several events have, the first hundred of them.';

CREATE FUNCTION verify_sequence(relation REGCLASS) RETURNS TABLE (violation TEXT, object TEXT, detail TEXT, remedy TEXT)
LANGUAGE plpgsql STABLE
SET search_path FROM CURRENT
SET row_security TO off
AS $$
DECLARE
    -- Null where ids come from elsewhere, which is another violation.
    sequence CONSTANT REGCLASS := pg_get_serial_sequence(relation::TEXT, 'id');
    largest BIGINT;
BEGIN
    IF sequence IS NULL THEN
        RETURN;
    ELSIF NOT has_sequence_privilege(sequence, 'SELECT') THEN
        RAISE insufficient_privilege USING MESSAGE = format('permission denied for sequence %s', sequence);
    END IF;
    EXECUTE format('SELECT max(id) FROM %s', relation) INTO largest;
    RETURN QUERY
    SELECT
        'sequence_behind', diesel_timescale.qualified_name(sequence),
        format('The largest id of %s is %s, and the sequence will hand it out again.', relation, largest),
        format('SELECT setval(%L, %s)', diesel_timescale.qualified_name(sequence), largest)
    WHERE largest > coalesce(pg_sequence_last_value(sequence), 0);
EXCEPTION WHEN insufficient_privilege THEN
    RETURN QUERY SELECT
        'unchecked', diesel_timescale.qualified_name(sequence), format('Whether the sequence is ahead of the ids was not read: %s.', SQLERRM), diesel_timescale.fix_unreadable(sequence, relation);
END
$$;
COMMENT ON FUNCTION verify_sequence(REGCLASS) IS 'Part of verify_sensor_events(): whether the sequence is ahead of the ids of a table.';

CREATE FUNCTION verify_sensor_events(
    allow_plain_table BOOLEAN DEFAULT false,
    scan_events BOOLEAN DEFAULT true
) RETURNS TABLE (violation TEXT, object TEXT, detail TEXT, remedy TEXT)
LANGUAGE plpgsql STABLE
SET search_path FROM CURRENT
AS $$
BEGIN
    RETURN QUERY SELECT * FROM verify_hypertable(allow_plain_table);
    RETURN QUERY SELECT * FROM verify_event_keys();
    -- What is promised of predictions besides has a remedy of its own.
    RETURN QUERY
        SELECT v.*
        FROM diesel_timescale.verify_references('sensor_events', current_schema(), trusted => 'sensor_events') AS v
        WHERE (v.violation, v.object, v.detail) NOT IN (SELECT p.violation, p.object, p.detail FROM verify_prediction_reference() AS p);
    RETURN QUERY SELECT * FROM verify_prediction_reference();
    RETURN QUERY SELECT * FROM verify_sequence('predictions');
    IF scan_events THEN
        RETURN QUERY SELECT * FROM verify_duplicate_ids();
        RETURN QUERY SELECT * FROM verify_sequence('sensor_events');
    END IF;
END
$$;
COMMENT ON FUNCTION verify_sensor_events(BOOLEAN, BOOLEAN) IS 'One row for each violation of the guarantees of this schema, with its remedy. Without scan_events it does not look for duplicate ids, which reads every event.';

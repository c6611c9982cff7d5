-- References to sensor events that hold.
--
-- A hypertable cannot have a unique index on `id` alone, and a native foreign key to a hypertable and retention
-- exclude each other. So references go to `referenced_events`: a plain table with one row for each event that
-- something references. It costs nothing for an event that nobody references, and it survives its chunk.
--
--   register_sensor_event        makes an event referable, if it exists
--   register_referenced_event    trigger on every referring column: registers, then the foreign key checks
--   reference_sensor_events      gives a column of any table that trigger and that foreign key
--   lock_referenced_events       what every removal of events does first
--   release_*                    triggers on sensor_events: a removed event takes its registration along, and the
--                                foreign keys' own ON DELETE SET NULL clears what referred to it
--
-- Concurrency. Rows in compressed chunks cannot be locked, so two locks elsewhere stand in:
-- * Registering a new event holds ROW EXCLUSIVE on referenced_events, removing events SHARE ROW EXCLUSIVE, each to
--   the end of its transaction. The two exclude each other; registrations do not exclude registrations.
-- * Under READ COMMITTED the statement after the lock sees what the other side has committed. Above it a snapshot
--   may be older than the lock. Removals therefore update the one row of referenced_events_epoch, and a
--   registration reads it FOR SHARE: if it changed after the snapshot, PostgreSQL raises 40001. The other way round,
--   a removal inserts the id ON CONFLICT DO UPDATE before it deletes it: a registration that its snapshot cannot
--   see raises 40001.
-- An event that is registered already needs none of this: the foreign key locks its row.

SELECT set_config('search_path', format('%I, pg_temp', current_schema()), true);

CREATE TABLE referenced_events (
    id BIGINT PRIMARY KEY,
    timestamp TIMESTAMPTZ NOT NULL
);
-- Retention clears a range of time.
CREATE INDEX referenced_events_timestamp_idx ON referenced_events (timestamp);

COMMENT ON TABLE referenced_events IS 'One row for each sensor event that something references. Kept by triggers; not written by hand.';
COMMENT ON COLUMN referenced_events.id IS 'The id of the event in `sensor_events`.';
COMMENT ON COLUMN referenced_events.timestamp IS 'The timestamp of the event: with the id its key, and the way to its chunk.';

CREATE TABLE referenced_events_epoch (
    is_only_row BOOLEAN PRIMARY KEY DEFAULT true CHECK (is_only_row),
    epoch BIGINT NOT NULL
);
INSERT INTO referenced_events_epoch (epoch) VALUES (0);

COMMENT ON TABLE referenced_events_epoch IS 'One row. Changed by every removal of events, so that transactions with an older snapshot notice.';
COMMENT ON COLUMN referenced_events_epoch.is_only_row IS 'Always true: there is one row.';
COMMENT ON COLUMN referenced_events_epoch.epoch IS 'Counts the removals of events.';

CREATE FUNCTION snapshot_may_be_old() RETURNS BOOLEAN
LANGUAGE sql STABLE
SET search_path FROM CURRENT
RETURN pg_catalog.current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted');
COMMENT ON FUNCTION snapshot_may_be_old() IS 'Whether this transaction is above READ COMMITTED, so that it may not see what others have committed.';

CREATE FUNCTION sensor_event_timestamp(event_id BIGINT) RETURNS TIMESTAMPTZ
LANGUAGE plpgsql STABLE
SET search_path FROM CURRENT
AS $$
DECLARE
    since TIMESTAMPTZ;
    found_at TIMESTAMPTZ;
BEGIN
    -- The id does not tell the chunk, so every chunk in reach is planned and probed: recent ones first. EXECUTE,
    -- because a plan made for these values leaves the other chunks out when it is planned.
    FOREACH since IN ARRAY ARRAY[now() - INTERVAL '1 day', now() - INTERVAL '30 days', '-infinity'] LOOP
        EXECUTE 'SELECT timestamp FROM sensor_events WHERE id = $1 AND timestamp >= $2'
            INTO found_at USING event_id, since;
        EXIT WHEN found_at IS NOT NULL;
    END LOOP;
    RETURN found_at;
END
$$;
COMMENT ON FUNCTION sensor_event_timestamp(BIGINT) IS 'The timestamp of the event with this id, or null. Looks into the last day, the last 30 days, then everything.';

CREATE FUNCTION register_sensor_event(event_id BIGINT) RETURNS VOID
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT
AS $$
DECLARE
    event_timestamp TIMESTAMPTZ;
BEGIN
    IF EXISTS (SELECT FROM referenced_events WHERE id = event_id) THEN
        RETURN;
    END IF;
    -- A statement of its own: what looks for the event below must have a snapshot from after the lock.
    LOCK TABLE referenced_events IN ROW EXCLUSIVE MODE;
    IF snapshot_may_be_old() THEN
        PERFORM FROM referenced_events_epoch FOR SHARE;
    END IF;
    event_timestamp := sensor_event_timestamp(event_id);
    IF event_timestamp IS NOT NULL THEN
        INSERT INTO referenced_events (id, timestamp)
        VALUES (event_id, event_timestamp)
        ON CONFLICT (id) DO NOTHING;
    END IF;
END
$$;
COMMENT ON FUNCTION register_sensor_event(BIGINT) IS 'Makes a sensor event referable. Does nothing if there is no such event: the foreign key reports that.';
REVOKE EXECUTE ON FUNCTION register_sensor_event(BIGINT) FROM PUBLIC;

-- SECURITY DEFINER, so that a role that may insert predictions needs no rights on referenced_events.
CREATE FUNCTION register_referenced_event() RETURNS TRIGGER
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT
AS $$
DECLARE
    event_id BIGINT := to_jsonb(NEW) ->> TG_ARGV[0];
BEGIN
    IF event_id IS NOT NULL THEN
        PERFORM register_sensor_event(event_id);
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION register_referenced_event() IS 'Trigger: registers the sensor event in the column that the argument names, before the foreign key looks for it.';

CREATE FUNCTION lock_referenced_events() RETURNS VOID
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT
AS $$
BEGIN
    LOCK TABLE referenced_events IN SHARE ROW EXCLUSIVE MODE;
    UPDATE referenced_events_epoch SET epoch = epoch + 1;
END
$$;
COMMENT ON FUNCTION lock_referenced_events() IS 'Holds off new registrations to the end of this transaction, before events are removed.';
REVOKE EXECUTE ON FUNCTION lock_referenced_events() FROM PUBLIC;

CREATE FUNCTION refuse_old_snapshot(operation TEXT) RETURNS VOID
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
BEGIN
    IF snapshot_may_be_old() THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_transaction_state',
            MESSAGE = format('%s cannot run under %s', operation, upper(current_setting('transaction_isolation'))),
            DETAIL = 'It could not see, and so could not clear, references that were made after its snapshot.',
            HINT = 'Run it under READ COMMITTED.',
            TABLE = 'sensor_events',
            CONSTRAINT = 'occupancy_models:isolation_too_high';
    END IF;
END
$$;
COMMENT ON FUNCTION refuse_old_snapshot(TEXT) IS 'Raises an error above READ COMMITTED.';

CREATE FUNCTION refuse_row_security(operation TEXT) RETURNS VOID
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
BEGIN
    IF row_security_active('sensor_events') OR row_security_active('referenced_events') THEN
        RAISE EXCEPTION USING
            ERRCODE = 'insufficient_privilege',
            MESSAGE = format('%s cannot run under a row-level security policy', operation),
            DETAIL = 'It would take events that the policy hides for missing, and clear the references to them.',
            HINT = 'Run it as the owner of the table, without FORCE ROW LEVEL SECURITY, or as a role with BYPASSRLS.',
            TABLE = 'sensor_events',
            CONSTRAINT = 'occupancy_models:row_security';
    END IF;
END
$$;
COMMENT ON FUNCTION refuse_row_security(TEXT) IS 'Raises an error if a policy hides events or registrations from the caller.';

-- Deleting rows.
CREATE FUNCTION lock_references_before_delete() RETURNS TRIGGER
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT
AS $$
BEGIN
    PERFORM lock_referenced_events();
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION lock_references_before_delete() IS 'Trigger: holds off new registrations before sensor events are deleted.';
-- Nobody else may attach these to a table of their own, and so clear references here.
REVOKE EXECUTE ON FUNCTION lock_references_before_delete() FROM PUBLIC;

CREATE TRIGGER sensor_events_lock_references
    BEFORE DELETE ON sensor_events
    FOR EACH STATEMENT
    EXECUTE FUNCTION lock_references_before_delete();

-- Row by row, because a hypertable with a columnstore takes no transition table.
CREATE FUNCTION release_deleted_event() RETURNS TRIGGER
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT
AS $$
BEGIN
    IF snapshot_may_be_old() THEN
        INSERT INTO referenced_events AS registered (id, timestamp)
        VALUES (OLD.id, OLD.timestamp)
        ON CONFLICT (id) DO UPDATE SET timestamp = registered.timestamp;
    END IF;
    DELETE FROM referenced_events WHERE id = OLD.id AND timestamp = OLD.timestamp;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION release_deleted_event() IS 'Trigger: a deleted sensor event takes its registration along, and with it every reference.';
REVOKE EXECUTE ON FUNCTION release_deleted_event() FROM PUBLIC;

CREATE TRIGGER sensor_events_release_references
    AFTER DELETE ON sensor_events
    FOR EACH ROW
    EXECUTE FUNCTION release_deleted_event();

-- TRUNCATE.
CREATE FUNCTION release_truncated_events() RETURNS TRIGGER
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT
AS $$
BEGIN
    PERFORM refuse_old_snapshot('TRUNCATE of sensor_events');
    PERFORM lock_referenced_events();
    DELETE FROM referenced_events;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION release_truncated_events() IS 'Trigger: TRUNCATE of sensor_events clears every registration.';
REVOKE EXECUTE ON FUNCTION release_truncated_events() FROM PUBLIC;

CREATE TRIGGER sensor_events_release_all_references
    BEFORE TRUNCATE ON sensor_events
    FOR EACH STATEMENT
    EXECUTE FUNCTION release_truncated_events();

-- The same guarantee for any column of any table.
CREATE FUNCTION reference_sensor_events(relation REGCLASS, column_name NAME) RETURNS VOID
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
DECLARE
    -- A name has 63 bytes at most.
    trigger_name NAME := 'reference_' || CASE WHEN octet_length(column_name) <= 50 THEN column_name ELSE md5(column_name) END;
    attribute pg_attribute;
    event_id BIGINT;
BEGIN
    SELECT * INTO attribute
    FROM pg_attribute
    WHERE attrelid = relation AND attname = column_name AND attnum > 0 AND NOT attisdropped;
    IF attribute IS NULL OR attribute.atttypid <> 'bigint'::REGTYPE THEN
        RAISE EXCEPTION USING
            ERRCODE = 'undefined_column',
            MESSAGE = format('%s has no column %I of type bigint', relation, column_name),
            HINT = 'A reference to a sensor event is the id of the event: a nullable bigint column.',
            TABLE = relation::TEXT, COLUMN = column_name, CONSTRAINT = 'occupancy_models:reference_column';
    ELSIF attribute.attnotnull THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_column_definition',
            MESSAGE = format('%s.%I is NOT NULL, so a removed event could not clear it', relation, column_name),
            HINT = format('ALTER TABLE %s ALTER COLUMN %I DROP NOT NULL', relation, column_name),
            TABLE = relation::TEXT, COLUMN = column_name, CONSTRAINT = 'occupancy_models:reference_column';
    END IF;

    -- Nobody writes a row that the trigger has not seen.
    EXECUTE format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', relation);
    IF NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = relation AND tgname = trigger_name) THEN
        EXECUTE format(
            'CREATE TRIGGER %I BEFORE INSERT OR UPDATE OF %I ON %s
             FOR EACH ROW WHEN (NEW.%2$I IS NOT NULL) EXECUTE FUNCTION register_referenced_event(%2$L)',
            trigger_name, column_name, relation
        );
    END IF;
    IF NOT EXISTS (
        SELECT FROM pg_index
        WHERE indrelid = relation AND indkey[0] = attribute.attnum AND indisvalid
            AND (indpred IS NULL OR pg_get_expr(indpred, indrelid) = format('(%I IS NOT NULL)', column_name))
    ) THEN
        EXECUTE format('CREATE INDEX ON %s (%I) WHERE %2$I IS NOT NULL', relation, column_name);
    END IF;
    IF NOT EXISTS (
        SELECT FROM pg_constraint
        WHERE conrelid = relation AND contype = 'f' AND confrelid = 'referenced_events'::REGCLASS
            AND conkey = ARRAY[attribute.attnum] AND confdeltype = 'n' AND convalidated
    ) THEN
        -- What the column refers to already.
        FOR event_id IN EXECUTE format('SELECT DISTINCT %I FROM %s WHERE %1$I IS NOT NULL', column_name, relation) LOOP
            PERFORM register_sensor_event(event_id);
        END LOOP;
        EXECUTE format(
            'ALTER TABLE %s ADD FOREIGN KEY (%I) REFERENCES referenced_events (id) ON DELETE SET NULL',
            relation, column_name
        );
    END IF;
END
$$;
COMMENT ON FUNCTION reference_sensor_events(REGCLASS, NAME) IS 'Makes a nullable bigint column a foreign key to sensor events, ON DELETE SET NULL, that holds through retention. Adds an index if the column has none. Repeatable.';

-- What a removal that went around these triggers (a plain drop_chunks, say) has left.
CREATE FUNCTION release_missing_events() RETURNS BIGINT
LANGUAGE plpgsql
SET search_path FROM CURRENT
-- An event that a policy hides is not missing.
SET row_security TO off
-- A nested loop would probe every chunk for every registration.
SET enable_nestloop TO off
-- The setting above makes plans look costly enough to be compiled, which takes longer than they run.
SET jit TO off
AS $$
DECLARE
    released BIGINT;
BEGIN
    PERFORM refuse_old_snapshot('release_missing_events()');
    PERFORM refuse_row_security('release_missing_events()');
    PERFORM lock_referenced_events();
    DELETE FROM referenced_events AS registered
    USING (
        SELECT r.id
        FROM referenced_events AS r
        LEFT JOIN sensor_events AS e ON e.id = r.id AND e.timestamp = r.timestamp
        WHERE e.id IS NULL
    ) AS missing
    WHERE registered.id = missing.id;
    GET DIAGNOSTICS released = ROW_COUNT;
    RETURN released;
END
$$;
COMMENT ON FUNCTION release_missing_events() IS 'Clears the references to events that are gone, and returns how many events that were. The remedy after a plain drop_chunks.';

-- The schema of these functions: one for the database, whatever schemas its tables are in.
--
-- The functions run with the rights of whoever calls them, fix their search_path, and take tables as REGCLASS, so they
-- work the same under any search_path. A refusal is an error before anything has changed; its CONSTRAINT field carries
-- a code (diesel_timescale:...) that clients can go by, and its HINT the remedy. Tables are named with their schema.
--
-- CREATE OR REPLACE, because Diesel's harness runs this once for each schema that it keeps a history in.

DO $$
DECLARE
    schema_owner OID := (SELECT nspowner FROM pg_namespace WHERE nspname = 'diesel_timescale');
BEGIN
    -- Not IF NOT EXISTS, which would tell the client each time that it does.
    IF schema_owner IS NULL THEN
        CREATE SCHEMA diesel_timescale;
    -- Whoever owns the schema can replace what is in it, and others call that.
    ELSIF schema_owner <> current_user::REGROLE
        AND schema_owner <> (SELECT datdba FROM pg_database WHERE datname = current_database())
        AND NOT (SELECT rolsuper FROM pg_roles WHERE oid = schema_owner)
    THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            CONSTRAINT = 'diesel_timescale:foreign_schema',
            MESSAGE = format('the schema diesel_timescale belongs to %s, who could replace the functions in it', schema_owner::REGROLE),
            -- Not ALTER SCHEMA: what is in it already would stay theirs, and CREATE OR REPLACE keeps the owner.
            HINT = 'DROP SCHEMA diesel_timescale CASCADE, after a look at what is in it.';
    ELSIF EXISTS (
        SELECT FROM pg_proc
        WHERE pronamespace = 'diesel_timescale'::REGNAMESPACE
            AND proowner NOT IN (schema_owner, current_user::REGROLE)
            AND NOT (SELECT rolsuper FROM pg_roles WHERE oid = proowner)
    ) OR EXISTS (
        SELECT
        FROM pg_namespace, aclexplode(nspacl)
        WHERE nspname = 'diesel_timescale' AND privilege_type = 'CREATE' AND grantee <> nspowner
    ) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            CONSTRAINT = 'diesel_timescale:foreign_schema',
            MESSAGE = 'others than its owner have functions in the schema diesel_timescale, or may create some',
            HINT = 'DROP SCHEMA diesel_timescale CASCADE, after a look at what is in it; grant CREATE on it to nobody.';
    END IF;
END
$$;
COMMENT ON SCHEMA diesel_timescale IS 'The functions of the crate diesel-timescale: hypertables, policies and continuous aggregates for any table.';
GRANT USAGE ON SCHEMA diesel_timescale TO PUBLIC;

CREATE OR REPLACE FUNCTION diesel_timescale.refuse(
    code TEXT,
    condition TEXT,
    message TEXT,
    hint TEXT,
    detail TEXT DEFAULT NULL,
    relation REGCLASS DEFAULT NULL,
    column_name TEXT DEFAULT NULL
) RETURNS VOID
LANGUAGE plpgsql
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
BEGIN
    -- No option of RAISE may be null, and an empty DETAIL would show.
    IF detail IS NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = condition, CONSTRAINT = code, MESSAGE = message, HINT = hint,
            TABLE = coalesce(relation::TEXT, ''), COLUMN = coalesce(column_name, '');
    END IF;
    RAISE EXCEPTION USING
        ERRCODE = condition, CONSTRAINT = code, MESSAGE = message, HINT = hint, DETAIL = detail,
        TABLE = coalesce(relation::TEXT, ''), COLUMN = coalesce(column_name, '');
END
$$;
COMMENT ON FUNCTION diesel_timescale.refuse(TEXT, TEXT, TEXT, TEXT, TEXT, REGCLASS, TEXT) IS 'Raises an error with a code that clients can go by. Every refusal is a call of this.';

-- Names for what is generated.
CREATE OR REPLACE FUNCTION diesel_timescale.qualified_name(relation REGCLASS) RETURNS TEXT
LANGUAGE sql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
RETURN (SELECT format('%I.%I', nspname, relname) FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace WHERE pg_class.oid = relation);
COMMENT ON FUNCTION diesel_timescale.qualified_name(REGCLASS) IS 'The name of a table with its schema, quoted.';

CREATE OR REPLACE FUNCTION diesel_timescale.short_name(long_name TEXT, suffix TEXT DEFAULT '') RETURNS NAME
LANGUAGE sql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
-- A name has 63 bytes at most.
RETURN CASE WHEN octet_length(long_name || suffix) <= 63 THEN long_name ELSE left(long_name, 10) || '_' || md5(long_name) END || suffix;
COMMENT ON FUNCTION diesel_timescale.short_name(TEXT, TEXT) IS 'A name that fits, and is another one for each long name.';

-- Rows that a migration has made, and that only get locked or marked. pg_dump takes them along, and restoring data into a
-- migrated database, or copying them to a subscriber, must not fail on them.
CREATE OR REPLACE FUNCTION diesel_timescale.skip_row_that_is_there() RETURNS TRIGGER
LANGUAGE plpgsql
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    is_there BOOLEAN;
BEGIN
    EXECUTE format('SELECT EXISTS (SELECT FROM %I.%I AS r WHERE r.%I = ($1).%3$I)', TG_TABLE_SCHEMA, TG_TABLE_NAME, TG_ARGV[0])
        INTO is_there USING NEW;
    IF is_there THEN
        RETURN NULL;
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION diesel_timescale.skip_row_that_is_there() IS 'Trigger: leaves out a row whose key, the column that its argument names, is there already.';

CREATE OR REPLACE FUNCTION diesel_timescale.keep_rows(relation REGCLASS, key NAME) RETURNS VOID
LANGUAGE plpgsql
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
BEGIN
    EXECUTE format(
        'CREATE TRIGGER keep_rows BEFORE INSERT ON %s FOR EACH ROW EXECUTE FUNCTION diesel_timescale.skip_row_that_is_there(%L)', relation, key
    );
    -- Where a subscriber copies the table as well.
    EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER keep_rows', relation);
END
$$;
COMMENT ON FUNCTION diesel_timescale.keep_rows(REGCLASS, NAME) IS 'Lets restored or replicated data leave the rows of a table alone that are there.';

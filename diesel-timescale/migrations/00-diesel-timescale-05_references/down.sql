-- TimescaleDB keeps a procedure that a job runs: those of tables that are gone have nothing to do any more.
DO $$
BEGIN
    IF diesel_timescale.has_columnstore() THEN
        EXECUTE format(
            'SELECT %I.delete_job(job_id)
             FROM timescaledb_information.jobs
             WHERE proc_schema = ''diesel_timescale'' AND proc_name = ''reference_retention''
                 AND to_regclass(config ->> ''retention_of'') IS NULL',
            diesel_timescale.timescaledb_schema()
        );
    END IF;
END
$$;

DROP FUNCTION diesel_timescale.remove_reference_retention(REGCLASS);
DROP FUNCTION diesel_timescale.add_reference_retention(REGCLASS, INTERVAL, BIGINT, INTERVAL, BOOLEAN);
DROP FUNCTION diesel_timescale.reference_retention_job(REGCLASS);
DROP PROCEDURE diesel_timescale.reference_retention(INT, JSONB);
DROP FUNCTION diesel_timescale.retention_cutoff(REGCLASS, TEXT);
DROP FUNCTION diesel_timescale.drop_referenced_rows_before(REGCLASS, TIMESTAMPTZ, BIGINT, INTERVAL, BOOLEAN);
DROP FUNCTION diesel_timescale.drop_referenced_chunks(REGCLASS, TIMESTAMPTZ, BIGINT, INTERVAL, BOOLEAN);
DROP FUNCTION diesel_timescale.within_bounds(NAME, NAME, REGTYPE);
DROP FUNCTION diesel_timescale.restricted_rows(REGCLASS);
DROP FUNCTION diesel_timescale.clear_dangling_references(REGCLASS);
DROP FUNCTION diesel_timescale.remove_reference(REGCLASS, NAME[], REGCLASS);
DROP FUNCTION diesel_timescale.add_reference(REGCLASS, NAME[], REGCLASS, TEXT);
DROP FUNCTION diesel_timescale.register_present_references(REGCLASS, NAME[], REGCLASS);
DROP FUNCTION diesel_timescale.check_reference(REGCLASS, NAME[], REGCLASS, NAME[], BOOLEAN);
DROP FUNCTION diesel_timescale.untrusted_owner(REGCLASS, OID);
DROP FUNCTION diesel_timescale.drop_reference_triggers(REGCLASS, NAME[], REGCLASS);
DROP FUNCTION diesel_timescale.create_reference_trigger(REGCLASS, NAME[], REGCLASS);
DROP FUNCTION diesel_timescale.register_referenced_ids(REGCLASS, NAME, BIGINT[], ANYARRAY);
DROP FUNCTION diesel_timescale.time_hint(REGCLASS, NAME[]);
DROP FUNCTION diesel_timescale.referenced_id(BIGINT, ANYELEMENT);
DROP FUNCTION diesel_timescale.reference_triggers(REGCLASS, NAME[], REGCLASS);
DROP FUNCTION diesel_timescale.broken_parts(REGCLASS, NAME, OID);
DROP FUNCTION diesel_timescale.drop_reference_target(REGCLASS);
DROP FUNCTION diesel_timescale.target_functions();
DROP FUNCTION diesel_timescale.create_reference_target(REGCLASS, NAME, NAME, NAME);
DROP FUNCTION diesel_timescale.check_reference_target(REGCLASS, NAME, NAME);
DROP FUNCTION diesel_timescale.create_release_triggers(REGCLASS, JSONB, REGCLASS, NAME);
DROP FUNCTION diesel_timescale.create_store_functions(REGCLASS, JSONB);
DROP FUNCTION diesel_timescale.create_bulk_register_function(REGCLASS, JSONB, REGTYPE);
DROP FUNCTION diesel_timescale.create_register_functions(REGCLASS, JSONB, BOOLEAN, BOOLEAN);
DROP FUNCTION diesel_timescale.create_register_function(REGCLASS, JSONB, TEXT, TEXT, BOOLEAN, TEXT);
DROP FUNCTION diesel_timescale.create_target_function(REGCLASS, JSONB, TEXT, TEXT, TEXT, TEXT, TEXT);
DROP FUNCTION diesel_timescale.operator_path(REGCLASS);
DROP FUNCTION diesel_timescale.chunk_width(REGCLASS);
DROP FUNCTION diesel_timescale.template_names(REGCLASS, REGCLASS, NAME[], NAME);
DROP FUNCTION diesel_timescale.edge_of(REGCLASS, NAME, NAME, TEXT);
DROP FUNCTION diesel_timescale.fill_template(TEXT, JSONB);
DROP FUNCTION diesel_timescale.reference_target(REGCLASS);
DROP FUNCTION diesel_timescale.trigger_argument(BYTEA);
DROP FUNCTION diesel_timescale.primary_key_columns(REGCLASS);
DROP FUNCTION diesel_timescale.column_types(REGCLASS, NAME[]);
DROP FUNCTION diesel_timescale.each_column(NAME[], TEXT, TEXT);
DROP FUNCTION diesel_timescale.refuse_still_referenced(REGCLASS, TEXT, TEXT);
DROP FUNCTION diesel_timescale.has_restricting_key(REGCLASS);
DROP FUNCTION diesel_timescale.refuse_key_change();
DROP FUNCTION diesel_timescale.is_in_columnstore(REGCLASS, REGCLASS);
DROP FUNCTION diesel_timescale.removal_stripe();
DROP FUNCTION diesel_timescale.refuse_row_security(REGCLASS, REGCLASS, TEXT);
DROP FUNCTION diesel_timescale.has_columnstore();
DROP FUNCTION diesel_timescale.refuse_old_snapshot(REGCLASS, TEXT);
DROP FUNCTION diesel_timescale.snapshot_may_be_old();

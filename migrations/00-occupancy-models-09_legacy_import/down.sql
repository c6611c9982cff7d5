DROP FUNCTION verify_legacy_import(NAME, BIGINT);
DROP FUNCTION copy_legacy_batch(NAME, BIGINT);
DROP FUNCTION begin_legacy_import(NAME, TEXT, TEXT, TEXT[]);
DROP FUNCTION validate_legacy_tables(REGCLASS, REGCLASS, TEXT, TEXT, TEXT[]);
DROP FUNCTION validate_legacy_table(REGCLASS, REGCLASS, TEXT, TEXT[]);
DROP FUNCTION legacy_columns(REGCLASS, REGCLASS, TEXT);

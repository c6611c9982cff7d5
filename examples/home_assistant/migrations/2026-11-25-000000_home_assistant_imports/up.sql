-- How far each recorder file has been imported. A row is written in the transaction of the batch that it tells of.
CREATE TABLE home_assistant_imports (
    source TEXT PRIMARY KEY,
    last_state_id BIGINT NOT NULL,
    last_timestamp TIMESTAMPTZ,
    mapping JSONB NOT NULL,
    imported_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

COMMENT ON TABLE home_assistant_imports IS 'How far each recorder file of Home Assistant has been imported.';
COMMENT ON COLUMN home_assistant_imports.source IS 'When the file was made, as its first row of schema_changes has it: a copy of the file has the same, a new file another.';
COMMENT ON COLUMN home_assistant_imports.last_state_id IS 'The state_id of the last row that was read.';
COMMENT ON COLUMN home_assistant_imports.last_timestamp IS 'The instant of that row, to tell whether the file still has the same one; null if it had none.';
COMMENT ON COLUMN home_assistant_imports.mapping IS 'The mapping that the rows were imported with.';
COMMENT ON COLUMN home_assistant_imports.imported_at IS 'When the last batch was stored.';

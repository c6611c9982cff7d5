-- How far each recorder file has been imported. A row is written in the transaction of the batch that it tells of.
CREATE TABLE home_assistant_imports (
    source TEXT PRIMARY KEY,
    last_state_id BIGINT NOT NULL,
    last_timestamp TIMESTAMPTZ,
    last_text_state_id BIGINT,
    mapping JSONB NOT NULL,
    imported_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

COMMENT ON TABLE home_assistant_imports IS 'How far each recorder file of Home Assistant has been imported.';
COMMENT ON COLUMN home_assistant_imports.source IS 'When the file was made, as its first row of schema_changes has it: a copy of the file has the same, a new file another.';
COMMENT ON COLUMN home_assistant_imports.last_state_id IS 'The state_id of the last row that was read.';
COMMENT ON COLUMN home_assistant_imports.last_timestamp IS 'The instant of that row, to tell whether the file still has the same one; null if it had none.';
COMMENT ON COLUMN home_assistant_imports.last_text_state_id IS 'The largest state_id of a row that was read when its time was still a text, which is exact; null if there was none.';
COMMENT ON COLUMN home_assistant_imports.mapping IS 'The mapping that the rows were imported with, and the rooms of the registries.';
COMMENT ON COLUMN home_assistant_imports.imported_at IS 'When the last batch was stored.';

-- The unit of the numbers of each type of sensor, whichever file they are from.
CREATE TABLE home_assistant_units (
    sensor_type TEXT PRIMARY KEY,
    unit TEXT NOT NULL
);

COMMENT ON TABLE home_assistant_units IS 'The one unit that the imported numbers of each type of sensor are in.';
COMMENT ON COLUMN home_assistant_units.sensor_type IS 'As in sensor_events.';
COMMENT ON COLUMN home_assistant_units.unit IS 'As Home Assistant writes it, such as °C.';

-- What Home Assistant keeps of its sensors for longer than their states: numbers by the hour, and by five minutes.
CREATE TABLE home_assistant_statistics (
    sensor_id TEXT NOT NULL,
    period INTERVAL NOT NULL,
    start TIMESTAMPTZ NOT NULL,
    room_id TEXT NOT NULL,
    sensor_type TEXT NOT NULL,
    mean DOUBLE PRECISION,
    min DOUBLE PRECISION,
    max DOUBLE PRECISION,
    state DOUBLE PRECISION,
    sum DOUBLE PRECISION,
    PRIMARY KEY (sensor_id, period, start)
);

COMMENT ON TABLE home_assistant_statistics IS 'The statistics of Home Assistant, one row for each sensor and period, in the unit that home_assistant_units has for the type.';
COMMENT ON COLUMN home_assistant_statistics.sensor_id IS 'As in sensor_events.';
COMMENT ON COLUMN home_assistant_statistics.period IS 'How long it is: an hour, or five minutes.';
COMMENT ON COLUMN home_assistant_statistics.start IS 'When it began.';
COMMENT ON COLUMN home_assistant_statistics.room_id IS 'As in sensor_events.';
COMMENT ON COLUMN home_assistant_statistics.sensor_type IS 'As in sensor_events.';
COMMENT ON COLUMN home_assistant_statistics.mean IS 'The mean of the readings, weighted by time; null for a meter.';
COMMENT ON COLUMN home_assistant_statistics.min IS 'The smallest reading; null for a meter.';
COMMENT ON COLUMN home_assistant_statistics.max IS 'The largest reading; null for a meter.';
COMMENT ON COLUMN home_assistant_statistics.state IS 'What a meter showed at the end; null for other sensors.';
COMMENT ON COLUMN home_assistant_statistics.sum IS 'What a meter has counted since Home Assistant has known it; null for other sensors.';

-- How far the statistics of each file have been imported.
CREATE TABLE home_assistant_statistics_imports (
    source TEXT,
    recorder_table TEXT,
    last_id BIGINT NOT NULL,
    last_start TIMESTAMPTZ,
    PRIMARY KEY (source, recorder_table)
);

COMMENT ON TABLE home_assistant_statistics_imports IS 'How far the statistics of each recorder file have been imported.';
COMMENT ON COLUMN home_assistant_statistics_imports.source IS 'As in home_assistant_imports.';
COMMENT ON COLUMN home_assistant_statistics_imports.recorder_table IS 'The table of the file: statistics or statistics_short_term.';
COMMENT ON COLUMN home_assistant_statistics_imports.last_id IS 'The id of the last row that was read.';
COMMENT ON COLUMN home_assistant_statistics_imports.last_start IS 'The start of that row, to tell whether the file still has the same one; null if it had none.';

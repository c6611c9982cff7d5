//! The tables of recorder files by their schema, with the columns and indexes that files of Home Assistant itself have,
//! as far as an import may come across them.

/// Home Assistant 2021.1.
pub const SCHEMA_11: &str = "
    CREATE TABLE events (
        event_id INTEGER PRIMARY KEY,
        event_type VARCHAR(32),
        event_data TEXT,
        origin VARCHAR(32),
        time_fired DATETIME,
        created DATETIME,
        context_id VARCHAR(36),
        context_user_id VARCHAR(36),
        context_parent_id VARCHAR(36)
    );
    CREATE TABLE states (
        state_id INTEGER PRIMARY KEY,
        domain VARCHAR(64),
        entity_id VARCHAR(255),
        state VARCHAR(255),
        attributes TEXT,
        event_id INTEGER REFERENCES events (event_id) ON DELETE CASCADE,
        last_changed DATETIME,
        last_updated DATETIME,
        created DATETIME,
        old_state_id INTEGER REFERENCES states (state_id)
    );
    CREATE INDEX ix_states_entity_id_last_updated ON states (entity_id, last_updated);
    CREATE INDEX ix_states_event_id ON states (event_id);
    CREATE TABLE recorder_runs (
        run_id INTEGER PRIMARY KEY,
        start DATETIME,
        \"end\" DATETIME,
        closed_incorrect BOOLEAN,
        created DATETIME
    );
    CREATE TABLE schema_changes (change_id INTEGER PRIMARY KEY, schema_version INTEGER, changed DATETIME);";

/// Home Assistant 2023.1.
pub const SCHEMA_30: &str = "
    CREATE TABLE events (
        event_id INTEGER PRIMARY KEY,
        event_type VARCHAR(64),
        event_data TEXT,
        origin VARCHAR(32),
        origin_idx SMALLINT,
        time_fired DATETIME,
        context_id VARCHAR(36),
        context_user_id VARCHAR(36),
        context_parent_id VARCHAR(36),
        data_id INTEGER
    );
    CREATE TABLE state_attributes (attributes_id INTEGER PRIMARY KEY, hash BIGINT, shared_attrs TEXT);
    CREATE TABLE states (
        state_id INTEGER PRIMARY KEY,
        entity_id VARCHAR(255),
        state VARCHAR(255),
        attributes TEXT,
        event_id INTEGER REFERENCES events (event_id) ON DELETE CASCADE,
        last_changed DATETIME,
        last_updated DATETIME,
        old_state_id INTEGER REFERENCES states (state_id),
        attributes_id INTEGER REFERENCES state_attributes (attributes_id),
        context_id VARCHAR(36),
        context_user_id VARCHAR(36),
        context_parent_id VARCHAR(36),
        origin_idx SMALLINT
    );
    CREATE INDEX ix_states_entity_id_last_updated ON states (entity_id, last_updated);
    CREATE TABLE statistics_meta (
        id INTEGER PRIMARY KEY,
        statistic_id VARCHAR(255),
        source VARCHAR(32),
        unit_of_measurement VARCHAR(255),
        has_mean BOOLEAN,
        has_sum BOOLEAN,
        name VARCHAR(255)
    );
    CREATE TABLE statistics (
        id INTEGER PRIMARY KEY,
        created DATETIME,
        metadata_id INTEGER REFERENCES statistics_meta (id),
        start DATETIME,
        mean FLOAT,
        min FLOAT,
        max FLOAT,
        last_reset DATETIME,
        state FLOAT,
        sum FLOAT
    );
    CREATE TABLE statistics_short_term (
        id INTEGER PRIMARY KEY,
        created DATETIME,
        metadata_id INTEGER REFERENCES statistics_meta (id),
        start DATETIME,
        mean FLOAT,
        min FLOAT,
        max FLOAT,
        last_reset DATETIME,
        state FLOAT,
        sum FLOAT
    );
    CREATE TABLE recorder_runs (
        run_id INTEGER PRIMARY KEY,
        start DATETIME,
        \"end\" DATETIME,
        closed_incorrect BOOLEAN,
        created DATETIME
    );
    CREATE TABLE schema_changes (change_id INTEGER PRIMARY KEY, schema_version INTEGER, changed DATETIME);";

/// Home Assistant 2024.3. The columns that are no longer used are left, and take nothing.
pub const SCHEMA_42: &str = "
    CREATE TABLE events (
        event_id INTEGER PRIMARY KEY,
        event_type CHAR(0),
        event_data CHAR(0),
        origin CHAR(0),
        origin_idx SMALLINT,
        time_fired CHAR(0),
        time_fired_ts FLOAT,
        context_id CHAR(0),
        context_user_id CHAR(0),
        context_parent_id CHAR(0),
        data_id INTEGER,
        context_id_bin BLOB,
        context_user_id_bin BLOB,
        context_parent_id_bin BLOB,
        event_type_id INTEGER
    );
    CREATE TABLE state_attributes (attributes_id INTEGER PRIMARY KEY, hash BIGINT, shared_attrs TEXT);
    CREATE TABLE states_meta (metadata_id INTEGER PRIMARY KEY, entity_id VARCHAR(255) UNIQUE);
    CREATE TABLE states (
        state_id INTEGER PRIMARY KEY,
        entity_id CHAR(0),
        state VARCHAR(255),
        attributes CHAR(0),
        event_id SMALLINT,
        last_changed CHAR(0),
        last_changed_ts FLOAT,
        last_updated CHAR(0),
        last_updated_ts FLOAT,
        old_state_id INTEGER REFERENCES states (state_id),
        attributes_id INTEGER REFERENCES state_attributes (attributes_id),
        context_id CHAR(0),
        context_user_id CHAR(0),
        context_parent_id CHAR(0),
        origin_idx SMALLINT,
        context_id_bin BLOB,
        context_user_id_bin BLOB,
        context_parent_id_bin BLOB,
        metadata_id INTEGER REFERENCES states_meta (metadata_id)
    );
    CREATE INDEX ix_states_metadata_id_last_updated_ts ON states (metadata_id, last_updated_ts);
    CREATE TABLE statistics_meta (
        id INTEGER PRIMARY KEY,
        statistic_id VARCHAR(255) UNIQUE,
        source VARCHAR(32),
        unit_of_measurement VARCHAR(255),
        has_mean BOOLEAN,
        has_sum BOOLEAN,
        name VARCHAR(255)
    );
    CREATE TABLE statistics (
        id INTEGER PRIMARY KEY,
        created CHAR(0),
        created_ts FLOAT,
        metadata_id INTEGER REFERENCES statistics_meta (id),
        start CHAR(0),
        start_ts FLOAT,
        mean FLOAT,
        min FLOAT,
        max FLOAT,
        last_reset CHAR(0),
        last_reset_ts FLOAT,
        state FLOAT,
        sum FLOAT
    );
    CREATE TABLE statistics_short_term (
        id INTEGER PRIMARY KEY,
        created CHAR(0),
        created_ts FLOAT,
        metadata_id INTEGER REFERENCES statistics_meta (id),
        start CHAR(0),
        start_ts FLOAT,
        mean FLOAT,
        min FLOAT,
        max FLOAT,
        last_reset CHAR(0),
        last_reset_ts FLOAT,
        state FLOAT,
        sum FLOAT
    );
    CREATE TABLE recorder_runs (
        run_id INTEGER PRIMARY KEY,
        start DATETIME NOT NULL,
        \"end\" DATETIME,
        closed_incorrect BOOLEAN NOT NULL,
        created DATETIME NOT NULL
    );
    CREATE TABLE schema_changes (change_id INTEGER PRIMARY KEY, schema_version INTEGER, changed DATETIME NOT NULL);";

/// Home Assistant 2026.2, after schema 42.
pub const SINCE_42: &str = "
    ALTER TABLE states ADD COLUMN last_reported_ts FLOAT;
    ALTER TABLE statistics_meta ADD COLUMN unit_class VARCHAR(255);
    ALTER TABLE statistics_meta ADD COLUMN mean_type SMALLINT NOT NULL DEFAULT 0;
    ALTER TABLE statistics ADD COLUMN mean_weight FLOAT;
    ALTER TABLE statistics_short_term ADD COLUMN mean_weight FLOAT;
    CREATE TABLE migration_changes (migration_id VARCHAR(255) PRIMARY KEY, version SMALLINT NOT NULL);";

/// What Home Assistant's migrations add to schema 11 on its way to 53, keeping the old columns.
pub const SINCE_11: &str = "
    ALTER TABLE events ADD COLUMN context_id_bin BLOB;
    ALTER TABLE events ADD COLUMN context_user_id_bin BLOB;
    ALTER TABLE events ADD COLUMN time_fired_ts FLOAT;
    CREATE TABLE state_attributes (attributes_id INTEGER PRIMARY KEY, hash BIGINT, shared_attrs TEXT);
    CREATE TABLE states_meta (metadata_id INTEGER PRIMARY KEY, entity_id VARCHAR(255) UNIQUE);
    ALTER TABLE states ADD COLUMN attributes_id INTEGER;
    ALTER TABLE states ADD COLUMN context_id VARCHAR(36);
    ALTER TABLE states ADD COLUMN context_user_id VARCHAR(36);
    ALTER TABLE states ADD COLUMN context_parent_id VARCHAR(36);
    ALTER TABLE states ADD COLUMN origin_idx INTEGER;
    ALTER TABLE states ADD COLUMN last_updated_ts FLOAT;
    ALTER TABLE states ADD COLUMN last_changed_ts FLOAT;
    ALTER TABLE states ADD COLUMN context_id_bin BLOB;
    ALTER TABLE states ADD COLUMN context_user_id_bin BLOB;
    ALTER TABLE states ADD COLUMN context_parent_id_bin BLOB;
    ALTER TABLE states ADD COLUMN metadata_id INTEGER;
    ALTER TABLE states ADD COLUMN last_reported_ts FLOAT;
    CREATE INDEX ix_states_metadata_id_last_updated_ts ON states (metadata_id, last_updated_ts);
    INSERT INTO schema_changes (schema_version, changed) VALUES (53, '2026-03-01 00:00:00.000000');";

/// How Home Assistant moves what rows of schema 11 have to the columns above.
///
/// It adds the fraction of a second to what SQLite makes of the text, and that is the next second for fractions from
/// .9995 on with the releases of SQLite that round there.
pub fn moved_since_11(rounds: bool) -> String {
    let rounded = if rounds { "+ (CAST(substr(last_updated, -7) AS FLOAT) >= 0.9995)" } else { "" };
    format!(
        "UPDATE states SET last_updated_ts =
             strftime('%s', substr(last_updated, 1, 19)) {rounded} + CAST(substr(last_updated, -7) AS FLOAT)
         WHERE last_updated_ts IS NULL;
         UPDATE states SET last_updated = NULL, last_changed = NULL;
         INSERT OR IGNORE INTO states_meta (entity_id) SELECT DISTINCT entity_id FROM states WHERE entity_id IS NOT NULL;
         UPDATE states SET metadata_id = (SELECT metadata_id FROM states_meta AS m WHERE m.entity_id = states.entity_id)
         WHERE metadata_id IS NULL;
         UPDATE states SET entity_id = NULL;
         DROP INDEX ix_states_entity_id_last_updated;
         UPDATE events SET context_user_id_bin = CAST(context_user_id AS BLOB), context_user_id = NULL;"
    )
}

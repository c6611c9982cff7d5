//! Chunks in the columnstore.

use diesel_timescale::Call;
use diesel_timescale::bulk::{self, Report};

use super::readings::{Reading, hypertable, readings, rows, stored};
use crate::support::{needs, sql, value};

#[test]
fn rows_of_the_columnstore_are_found_changed_and_counted() {
    needs!(Community);
    let (_db, mut conn) = hypertable();
    sql(
        &mut conn,
        "ALTER TABLE readings SET (timescaledb.compress, timescaledb.compress_segmentby = 'device_id', \
         timescaledb.compress_orderby = 'measured_at')",
    );
    let report = |inserted, updated, unchanged| {
        let mut report = Report::default();
        (report.inserted, report.updated, report.unchanged) = (inserted, updated, unchanged);
        report
    };
    for minutes in [40, 2000] {
        sql(&mut conn, "TRUNCATE readings");
        let mut batch = rows(4, minutes);
        let total = u64::try_from(batch.len()).unwrap();
        let mut upsert = |batch: &[Reading]| {
            bulk::upsert(batch).on_conflict((readings::device_id, readings::measured_at)).call(&mut conn).unwrap()
        };
        // Every other row, which then is compressed.
        let half: Vec<_> = batch.iter().step_by(2).cloned().collect();
        assert_eq!(upsert(&half), report(total / 2, 0, 0));
        sql(&mut conn, "SELECT compress_chunk(chunk) FROM show_chunks('readings') AS chunk");
        let mut upsert = |batch: &[Reading]| {
            bulk::upsert(batch).on_conflict((readings::device_id, readings::measured_at)).call(&mut conn).unwrap()
        };
        assert_eq!(upsert(&half), report(0, 0, total / 2));
        assert_eq!(upsert(&batch), report(total / 2, 0, total / 2));
        batch.iter_mut().take(30).for_each(|row| row.humidity = Some(60.0));
        assert_eq!(upsert(&batch), report(0, 30, total - 30));
        assert_eq!(stored(&mut conn), batch);
        assert_eq!(value(&mut conn, "SELECT count(*) FROM readings"), total.to_string());
        // All in the columnstore again, then all changed.
        sql(&mut conn, "SELECT compress_chunk(chunk, if_not_compressed => true) FROM show_chunks('readings') AS chunk");
        batch.iter_mut().for_each(|row| row.humidity = None);
        let call = bulk::upsert(&batch).on_conflict((readings::device_id, readings::measured_at));
        let (counts, returned) = call.returning::<_, Reading>(readings::all_columns).call(&mut conn).unwrap();
        assert_eq!(counts, report(0, total, 0));
        assert_eq!(returned, batch);
    }
}

//! Embeds the migrations anew when one changes, and lists what they install.

use std::fs;
use std::path::Path;
use std::{env, io};

/// What `diesel_timescale.create_reference_target` creates for `sensor_events`.
const GENERATED: [&str; 7] = [
    "referenced_events",
    "referenced_events_epoch",
    "register_sensor_events",
    "register_sensor_events_by_key",
    "register_sensor_events_in_columnstore",
    "register_sensor_events_in_rowstore",
    "settle_sensor_events",
];

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-changed=migrations");
    let mut names: Vec<String> = Vec::new();
    for migration in fs::read_dir("migrations")? {
        let sql = fs::read_to_string(migration?.path().join("up.sql"))?;
        names.extend(sql.lines().filter_map(installed).map(str::to_owned));
    }
    names.extend(GENERATED.map(str::to_owned));
    names.sort();
    names.dedup();
    let out = env::var_os("OUT_DIR").ok_or(io::ErrorKind::NotFound)?;
    fs::write(Path::new(&out).join("installed.rs"), format!("&{names:?}"))
}

/// The name of the function, table or view that a line begins to create.
fn installed(line: &str) -> Option<&str> {
    let object = line.strip_prefix("CREATE ")?;
    let object = object.strip_prefix("OR REPLACE ").unwrap_or(object);
    let name = ["FUNCTION ", "PROCEDURE ", "TABLE ", "VIEW "].iter().find_map(|kind| object.strip_prefix(kind))?;
    name.split(['(', ' ']).next()
}

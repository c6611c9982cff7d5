//! Tells of the rows that are left out, or stored with less than they have.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::Path;

use crate::Result;
use crate::progress::Progress;
use crate::reading::Violation;
use crate::report::Report;

/// How many rows with the same fault are told one by one on stderr.
const TOLD: u64 = 20;

/// Where rows are told of: in a file all of them, on stderr the first of each kind of fault.
pub struct LeftOut {
    file: Option<BufWriter<File>>,
    told: HashMap<&'static str, u64>,
}

impl LeftOut {
    /// Tells of all rows in this file as well, after what it has.
    pub fn new(path: Option<&Path>) -> Result<Self> {
        let open = |path: &Path| {
            let file = OpenOptions::new().append(true).create(true).open(path);
            file.map(BufWriter::new).map_err(|error| format!("{}: {error}", path.display()))
        };
        Ok(Self { file: path.map(open).transpose()?, told: HashMap::new() })
    }

    /// A row of a table that is left out.
    pub fn row(
        &mut self,
        report: &mut Report,
        progress: &Progress,
        row: Place<'_>,
        (reason, found): Violation,
    ) -> Result<()> {
        match row.table {
            "states" => report.leave_out(reason),
            _ => report.statistics.leave_out(reason),
        }
        self.tell(progress, row, reason.as_str(), &found, reason.is_fault())
    }

    /// A row that is stored with less than it has.
    pub fn part(&mut self, progress: &Progress, row: Place<'_>, what: &'static str, found: &str) -> Result<()> {
        self.tell(progress, row, what, found, true)
    }

    /// To be called before the place in the file that these rows are before is stored.
    pub fn flush(&mut self) -> Result<()> {
        Ok(self.file.as_mut().map_or(Ok(()), Write::flush)?)
    }

    fn tell(
        &mut self,
        progress: &Progress,
        row: Place<'_>,
        what: &'static str,
        found: &str,
        is_fault: bool,
    ) -> Result<()> {
        let Place { table, id, entity_id } = row;
        if let Some(file) = &mut self.file {
            let clean = |text: &str| text.replace(['\t', '\n', '\r'], " ");
            writeln!(file, "{table}\t{id}\t{}\t{what}\t{}", clean(entity_id), clean(found))?;
        }
        if !is_fault {
            return Ok(());
        }
        let told = self.told.entry(what).or_default();
        *told += 1;
        let table = if table == "states" { String::new() } else { format!("{table} ") };
        match *told {
            ..=TOLD => progress.say(&format!("{table}row {id}: {what}: {found}")),
            n if n == TOLD + 1 => {
                progress.say(&format!("{what}: further rows are only counted; --left-out names them all"))
            }
            _ => {}
        }
        Ok(())
    }
}

/// A row, for people.
#[derive(Debug, Clone, Copy)]
pub struct Place<'p> {
    pub table: &'static str,
    pub id: i64,
    pub entity_id: &'p str,
}

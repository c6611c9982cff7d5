//! The result as a picture: a bar for each way to write, grouped by the size of the batch.

use std::fmt::Write;

use crate::measure::Measurements;

/// What is drawn, in this order, and its colour.
const BARS: [(&str, &str, &str); 7] = [
    ("raw_copy", "COPY of prebuilt buffers", "#9aa5b1"),
    ("insert", "insert_events", "#1f6feb"),
    ("upsert_fresh", "upsert_events, new rows", "#2da44e"),
    ("upsert_unchanged", "upsert_events, unchanged rows", "#7bc88f"),
    ("upsert_changed", "upsert_events, changed rows", "#116329"),
    ("diesel_batch_upsert", "Diesel's insert_into().values(&vec).on_conflict()", "#d29922"),
    ("row_by_row", "row by row", "#cf222e"),
];

pub fn draw(path: &str, groups: &[(usize, Measurements)], caption: &str) {
    let (width, row, top) = (860.0, 15.0, 44.0);
    let group_height = BARS.len() as f64 * row + 34.0;
    let height = top + groups.len() as f64 * group_height + 24.0;
    let most = groups
        .iter()
        .flat_map(|(_, measured)| BARS.iter().filter_map(|(name, ..)| measured.median(name)))
        .fold(1.0, f64::max);

    let mut svg = format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif" font-size="11">
<rect width="100%" height="100%" fill="#ffffff"/>
<text x="16" y="20" font-size="14" font-weight="bold">Rows per second, by way to write and size of the batch</text>
<text x="16" y="36" fill="#57606a">{caption}. Made by: dev/db cargo bench --bench bulk</text>
"##
    );
    for (index, (batch, measured)) in groups.iter().enumerate() {
        let y = top + index as f64 * group_height + 16.0;
        let _ = writeln!(svg, r#"<text x="16" y="{y}" font-weight="bold">batches of {batch}</text>"#);
        for (line, (name, label, colour)) in BARS.iter().enumerate() {
            let Some(rate) = measured.median(name) else { continue };
            let y = y + 6.0 + line as f64 * row;
            let length = rate / most * 460.0;
            let _ = writeln!(
                svg,
                r##"<text x="300" y="{:.1}" text-anchor="end">{label}</text><rect x="306" y="{y:.1}" width="{length:.1}" height="11" fill="{colour}"/><text x="{:.1}" y="{:.1}" fill="#57606a">{:.0}</text>"##,
                y + 9.5,
                312.0 + length,
                y + 9.5,
                (rate / 100.0).round() * 100.0,
            );
        }
    }
    svg.push_str("</svg>\n");
    std::fs::write(path, svg).expect("the picture is written");
}

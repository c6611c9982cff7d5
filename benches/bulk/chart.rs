//! The result as a picture: a bar for each way to write, grouped by the size of the batch.

use std::error::Error;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::measure::Measurements;

/// What is drawn, in this order, and its colour.
const BARS: [(&str, &str, RGBColor); 7] = [
    ("raw_copy", "COPY of prebuilt buffers", RGBColor(154, 165, 177)),
    ("insert", "insert_events", RGBColor(31, 111, 235)),
    ("upsert_fresh", "upsert_sensor_events, new rows", RGBColor(45, 164, 78)),
    ("upsert_unchanged", "upsert_sensor_events, unchanged rows", RGBColor(123, 200, 143)),
    ("upsert_changed", "upsert_sensor_events, changed rows", RGBColor(17, 99, 41)),
    ("diesel_batch_upsert", "Diesel's insert_into().values(&vec).on_conflict()", RGBColor(210, 153, 34)),
    ("row_by_row", "row by row", RGBColor(207, 34, 46)),
];

const ROW: i32 = 15;
const GROUP: i32 = BARS.len() as i32 * ROW + 34;
const TOP: i32 = 44;
const GREY: RGBColor = RGBColor(87, 96, 106);

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

pub fn draw(path: &str, groups: &[(usize, Measurements)], caption: &str) -> Result<(), Box<dyn Error>> {
    let height = TOP + groups.len() as i32 * GROUP + 24;
    let area = SVGBackend::new(path, (860, height.unsigned_abs())).into_drawing_area();
    area.fill(&WHITE)?;
    let plain = ("sans-serif", 11.0).into_font();
    let grey = plain.color(&GREY);
    let bold = plain.style(FontStyle::Bold);
    text(&area, "Rows per second, by way to write and size of the batch", (16, 14), bold.resize(14.0), HPos::Left)?;
    let made = format!("{caption}. Made by: PICTURE=benches/bulk.svg dev/db cargo bench --bench bulk");
    text(&area, &made, (16, 33), grey.clone(), HPos::Left)?;

    let rates = |measured: &Measurements| BARS.map(|(name, ..)| measured.median(name).unwrap_or_default());
    let most = groups.iter().flat_map(|(_, measured)| rates(measured)).fold(1.0, f64::max);
    for (index, (batch, measured)) in (0..).zip(groups) {
        let top = TOP + index * GROUP + 12;
        text(&area, &format!("batches of {batch}"), (16, top), bold.clone(), HPos::Left)?;
        for (line, ((_, label, colour), rate)) in (1..).zip(BARS.iter().zip(rates(measured))) {
            let middle = top + line * ROW;
            let end = 306 + (rate / most * 460.0) as i32;
            text(&area, label, (300, middle), plain.clone(), HPos::Right)?;
            area.draw(&Rectangle::new([(306, middle - 5), (end, middle + 6)], colour.filled()))?;
            text(
                &area,
                &format!("{:.0}", (rate / 100.0).round() * 100.0),
                (end + 6, middle),
                grey.clone(),
                HPos::Left,
            )?;
        }
    }
    area.present()?;
    Ok(())
}

/// Writes at a point: from it on to the right, or up to it.
fn text<'a>(
    area: &Area<'_>,
    words: &str,
    at: (i32, i32),
    style: impl Into<TextStyle<'a>>,
    side: HPos,
) -> Result<(), Box<dyn Error>> {
    let style = style.into().pos(Pos::new(side, VPos::Center));
    area.draw_text(words, &style, at).map_err(|error| error.to_string().into())
}

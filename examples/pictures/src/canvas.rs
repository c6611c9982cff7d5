//! Shapes and text on a white page, as SVG.

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{Pos, VPos};

pub use plotters::style::RGBColor;
pub use plotters::style::text_anchor::HPos;

use crate::Result;

pub const TEXT: RGBColor = RGBColor(31, 35, 40);
pub const GREY: RGBColor = RGBColor(87, 96, 106);
pub const GRID: RGBColor = RGBColor(225, 228, 232);
// Those of Okabe and Ito, which the colour-blind can tell apart.
pub const BLUE: RGBColor = RGBColor(0, 114, 178);
pub const SKY: RGBColor = RGBColor(86, 180, 233);
pub const GREEN: RGBColor = RGBColor(0, 158, 115);
pub const ORANGE: RGBColor = RGBColor(230, 159, 0);
pub const RED: RGBColor = RGBColor(213, 94, 0);
pub const PURPLE: RGBColor = RGBColor(204, 121, 167);
pub const SUN: RGBColor = RGBColor(250, 220, 130);

type Point = (i32, i32);

pub struct Canvas<'a>(DrawingArea<SVGBackend<'a>, Shift>);

/// A picture of that size, in pixels, as `paint` makes it.
pub fn picture(size: (i32, i32), paint: impl FnOnce(&Canvas<'_>) -> Result<()>) -> Result<String> {
    let mut svg = String::new();
    {
        let size = (size.0.unsigned_abs(), size.1.unsigned_abs());
        let canvas = Canvas(SVGBackend::with_string(&mut svg, size).into_drawing_area());
        canvas.0.fill(&WHITE)?;
        paint(&canvas)?;
        canvas.0.present()?;
    }
    Ok(svg)
}

impl Canvas<'_> {
    /// Writes beside a point, in the middle of its height.
    pub fn text(&self, words: &str, at: Point, size: f64, colour: RGBColor, side: HPos) -> Result<()> {
        self.styled(words, at, size, colour, side, FontStyle::Normal)
    }

    /// Writes to the right of a point.
    pub fn bold(&self, words: &str, at: Point, size: f64) -> Result<()> {
        self.styled(words, at, size, TEXT, HPos::Left, FontStyle::Bold)
    }

    fn styled(&self, words: &str, at: Point, size: f64, colour: RGBColor, side: HPos, font: FontStyle) -> Result<()> {
        // The backend writes 1 / 1.24 of the size that it is given.
        let style =
            ("sans-serif", size * 1.24).into_font().style(font).color(&colour).pos(Pos::new(side, VPos::Center));
        self.0.draw_text(words, &style, at).map_err(|error| error.to_string().into())
    }

    /// A rectangle from its upper left to its lower right corner, at least one pixel wide.
    pub fn bar(&self, from: Point, to: Point, colour: RGBColor) -> Result<()> {
        let to = (to.0.max(from.0 + 1), to.1);
        Ok(self.0.draw(&Rectangle::new([from, to], colour.filled()))?)
    }

    pub fn line(&self, points: Vec<Point>, colour: RGBColor, width: u32) -> Result<()> {
        Ok(self.0.draw(&PathElement::new(points, colour.stroke_width(width)))?)
    }

    pub fn area(&self, points: Vec<Point>, colour: RGBColor) -> Result<()> {
        Ok(self.0.draw(&Polygon::new(points, colour.filled()))?)
    }

    pub fn dot(&self, at: Point, colour: RGBColor) -> Result<()> {
        Ok(self.0.draw(&Circle::new(at, 4, colour.filled()))?)
    }

    /// A triangle around a point that points up or down.
    pub fn triangle(&self, (x, y): Point, is_up: bool, colour: RGBColor) -> Result<()> {
        let tip = if is_up { -5 } else { 5 };
        self.area(vec![(x - 5, y - tip), (x + 5, y - tip), (x, y + tip)], colour)
    }
}

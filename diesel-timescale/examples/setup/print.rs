//! A plan for people, in colour where they see it.

use std::io::{self, IsTerminal, Write};

use diesel_timescale::setup::{Plan, Step, StepClass};

use super::Color;

const BOLD: &str = "1";
const DIM: &str = "2";
const RED: &str = "31";
const GREEN: &str = "32";
const YELLOW: &str = "33";
const MAGENTA: &str = "35";

struct Painter {
    is_on: bool,
}

impl Painter {
    fn paint(&self, style: &str, text: &str) -> String {
        if self.is_on { format!("\x1b[{style}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

pub fn plan(plan: &Plan, with_sql: bool, color: Color) -> io::Result<()> {
    let is_seen = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let painter = Painter { is_on: color == Color::Always || (color == Color::Auto && is_seen) };
    let mut out = io::stdout().lock();
    for done in &plan.done {
        writeln!(out, "{} {}: {}", painter.paint(GREEN, "done"), painter.paint(BOLD, &done.object), done.difference)?;
    }
    for one in &plan.steps {
        step(&mut out, &painter, one, with_sql)?;
    }
    for left_out in &plan.left_out {
        writeln!(out, "{} {left_out}", painter.paint(DIM, "left out"))?;
    }
    match plan.steps.len() {
        0 => writeln!(out, "{} on {}", painter.paint(GREEN, "as declared"), plan.server),
        count => {
            let plural = if count == 1 { "" } else { "s" };
            writeln!(out, "{} on {}", painter.paint(BOLD, &format!("{count} step{plural} left")), plan.server)
        }
    }
}

fn step(out: &mut impl Write, painter: &Painter, step: &Step, with_sql: bool) -> io::Result<()> {
    let label = match step.class {
        _ if !step.is_possible() => painter.paint(RED, "cannot be done"),
        StepClass::Safe => painter.paint(GREEN, "safe"),
        StepClass::Locks => painter.paint(YELLOW, "locks"),
        StepClass::Rewrites => painter.paint(MAGENTA, "rewrites"),
        class => painter.paint(RED, &class.to_string()),
    };
    writeln!(out, "{label} {}: {}", painter.paint(BOLD, &step.object), step.difference)?;
    if let Some(obstacle) = &step.obstacle {
        writeln!(out, "    {obstacle}")?;
    } else if let Some(sql) = step.sql.as_ref().filter(|_| with_sql) {
        let note = if step.in_transaction { "" } else { "  -- outside of transactions" };
        writeln!(out, "    {}", painter.paint(DIM, &format!("{sql}{note}")))?;
    }
    Ok(())
}

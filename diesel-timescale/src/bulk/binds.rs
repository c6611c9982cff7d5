//! Pieces of a batch as what is bound.

use foldhash::{HashMap, HashSet};

use super::array::{ArrayBody, Elements, Single};
use super::batch::Batch;
use super::plan::Plan;
use super::sql::{Piece, Sql};
use super::statement::{Bind, Statement};

/// How many of the first rows are looked at to choose a way.
pub(super) const SAMPLE: usize = 50;

impl Batch {
    /// A statement over this batch.
    pub(super) fn statement<ST>(&self, plan: &Plan, sql: Sql) -> Statement<ST> {
        let mut pieces = Pieces { batch: self, plan, range: None, columns: HashMap::default() };
        let binds = sql.binds.iter().map(|piece| pieces.bind(*piece)).collect();
        Statement::new(sql.text, binds)
    }

    /// A column as one array.
    pub(super) fn array(&self, column: usize) -> ArrayBody {
        ArrayBody::of(self.values(column), self.columns[column].bytes.all().len() + 4 * self.len())
    }

    /// Whether so few values of a column are different that sending each once is worth it.
    pub(super) fn has_few_values(&self, column: usize, most: usize) -> bool {
        let most = most.min(self.len() / 4);
        let mut seen: HashSet<Option<&[u8]>> = HashSet::default();
        self.values(column).all(|value| !seen.insert(value) || seen.len() <= most)
    }

    /// The lowest and the highest value of a column of numbers or times.
    fn range(&self, column: usize) -> (Single, Single) {
        let values = || self.values(column).flatten();
        let lowest = values().min_by_key(|value| number(value));
        let highest = values().max_by_key(|value| number(value));
        (Single(lowest.map(<[u8]>::to_vec)), Single(highest.map(<[u8]>::to_vec)))
    }

    /// The different combinations of columns, and the range of another column in each.
    pub(super) fn groups(&self, columns: &[usize], range: Option<usize>) -> Groups {
        let mut seen: HashMap<Vec<Option<&[u8]>>, usize> = HashMap::default();
        // Most keys are one column and a time.
        let mut seen_alone: HashMap<Option<&[u8]>, usize> = HashMap::default();
        let mut ranges: Vec<Option<(&[u8], &[u8])>> = Vec::new();
        let mut groups = Groups { columns: vec![ArrayBody::default(); columns.len()], ..Groups::default() };
        for row in self.order.iter().map(|row| *row as usize) {
            let value = |column: usize| self.columns[column].bytes.get(row);
            let next = ranges.len();
            let group = *match columns {
                [column] => seen_alone.entry(value(*column)).or_insert(next),
                _ => seen.entry(columns.iter().map(|&column| value(column)).collect()).or_insert(next),
            };
            if group == next {
                groups.columns.iter_mut().zip(columns).for_each(|(array, &column)| array.push(value(column)));
                ranges.push(None);
            }
            if let Some(value) = range.and_then(value) {
                let (low, high) = ranges[group].get_or_insert((value, value));
                if number(value) < number(low) {
                    *low = value;
                } else if number(value) > number(high) {
                    *high = value;
                }
            }
        }
        for range in ranges {
            groups.low.push(range.map(|(low, _)| low));
            groups.high.push(range.map(|(_, high)| high));
        }
        groups
    }

    /// The different values of a column, and the position of each row's among them, from 1 (0: null).
    fn dictionary(&self, column: usize) -> (ArrayBody, ArrayBody) {
        let mut positions: HashMap<&[u8], i32> = HashMap::default();
        let mut values = ArrayBody::default();
        let mut places = ArrayBody::with_capacity(8 * self.len());
        for value in self.values(column) {
            let place = value.map_or(0, |value| {
                *positions.entry(value).or_insert_with(|| {
                    values.push(Some(value));
                    values.len()
                })
            });
            places.push(Some(&place.to_be_bytes()));
        }
        (values, places)
    }

    /// A column of arrays: all elements, the row of each (from 1), and whether a row has none.
    fn elements(&self, column: usize) -> (Elements, ArrayBody, ArrayBody) {
        let mut elements = Elements { custom: self.columns[column].info.custom.clone(), ..Elements::default() };
        let mut rows = ArrayBody::default();
        let mut nulls = ArrayBody::with_capacity(5 * self.len());
        for (row, value) in (1_i32..).zip(self.values(column)) {
            nulls.push(Some(&[u8::from(value.is_none())]));
            let value = value.unwrap_or_default();
            let int =
                |at: usize| value.get(at..at + 4).and_then(|int| int.try_into().ok()).map_or(0, i32::from_be_bytes);
            if value.len() >= 12 {
                elements.oid = u32::from_be_bytes(int(8).to_be_bytes());
            }
            // Arrays of more than one dimension have been refused.
            if int(0) == 1 {
                elements.array.extend(int(12), &value[20..]);
                (0..int(12)).for_each(|_| rows.push(Some(&row.to_be_bytes())));
            }
        }
        (elements, rows, nulls)
    }
}

/// Combinations of columns: one array for each column, and one for each end of the range.
#[derive(Debug, Default)]
pub(super) struct Groups {
    columns: Vec<ArrayBody>,
    low: ArrayBody,
    high: ArrayBody,
}

impl Groups {
    pub(super) fn len(&self) -> usize {
        usize::try_from(self.low.len()).unwrap_or(0)
    }
}

/// Big-endian two's complement, as integers, dates and timestamps are sent.
fn number(value: &[u8]) -> i64 {
    let sign = if value.first().is_some_and(|first| first & 0x80 != 0) { -1 } else { 0 };
    value.iter().fold(sign, |number, byte| number << 8 | i64::from(*byte))
}

/// What one column has more than one piece of.
type ColumnPieces = (Bind, Bind, Bind);

struct Pieces<'b> {
    batch: &'b Batch,
    plan: &'b Plan,
    range: Option<(Single, Single)>,
    columns: HashMap<usize, ColumnPieces>,
}

impl Pieces<'_> {
    fn bind(&mut self, piece: Piece) -> Bind {
        let batch = self.batch;
        let info = |column: usize| batch.columns[column].info.clone();
        let count = |rows: usize| Bind::Integer(i32::try_from(rows).unwrap_or(i32::MAX));
        match piece {
            // Nothing but nulls: `unnest` fills up with them, if another column has as many values as there are rows.
            Piece::Column(i) if batch.columns[i].bytes.is_all_null() && !self.plan.is_first(i) => {
                Bind::Array(info(i), ArrayBody::default())
            }
            Piece::Column(i) => Bind::Array(info(i), batch.array(i)),
            Piece::Head(i) => Bind::Array(info(i), ArrayBody::of(batch.values(i).take(SAMPLE), 12 * SAMPLE)),
            Piece::First(i) => Bind::Single(info(i), Single(batch.values(i).next().flatten().map(<[u8]>::to_vec))),
            Piece::Given(i) => {
                let bytes = &batch.columns[i].bytes;
                Bind::Array(info(i), ArrayBody::of(bytes.iter(), bytes.all().len() + 4 * batch.rows))
            }
            Piece::Defaults(i) => {
                let mut defaults = ArrayBody::with_capacity(5 * batch.len());
                batch.order.iter().for_each(|row| {
                    let is_default = batch.columns[i].defaults.get(*row as usize).copied().unwrap_or(false);
                    defaults.push(Some(&[u8::from(is_default)]));
                });
                Bind::Booleans(defaults)
            }
            Piece::Dictionary(i) => std::mem::replace(&mut self.dictionary(i).0, Bind::Integer(0)),
            Piece::Positions(i) => std::mem::replace(&mut self.dictionary(i).1, Bind::Integer(0)),
            Piece::Elements(i) => std::mem::replace(&mut self.elements(i).0, Bind::Integer(0)),
            Piece::ElementRows(i) => std::mem::replace(&mut self.elements(i).1, Bind::Integer(0)),
            Piece::ElementNulls(i) => std::mem::replace(&mut self.elements(i).2, Bind::Integer(0)),
            Piece::Low => self.range(|range| range.0.clone()),
            Piece::High => self.range(|range| range.1.clone()),
            Piece::Group(at) => {
                let column = self.plan.others()[at];
                Bind::Array(info(column), self.groups().columns[at].clone())
            }
            Piece::GroupLow => Bind::Array(info(self.plan.range.unwrap_or(0)), self.groups().low.clone()),
            Piece::GroupHigh => Bind::Array(info(self.plan.range.unwrap_or(0)), self.groups().high.clone()),
            Piece::Count => count(batch.len()),
            Piece::GivenCount => count(batch.rows),
            Piece::Dense => count(4 * (batch.len() / self.groups().len().max(1)).max(1)),
        }
    }

    fn dictionary(&mut self, column: usize) -> &mut ColumnPieces {
        let batch = self.batch;
        self.columns.entry(column).or_insert_with(|| {
            let (values, positions) = batch.dictionary(column);
            (Bind::Array(batch.columns[column].info.clone(), values), Bind::Integers(positions), Bind::Integer(0))
        })
    }

    fn elements(&mut self, column: usize) -> &mut ColumnPieces {
        let batch = self.batch;
        self.columns.entry(column).or_insert_with(|| {
            let (elements, rows, nulls) = batch.elements(column);
            let info = batch.columns[column].info.clone();
            (Bind::Elements(info, elements), Bind::Integers(rows), Bind::Booleans(nulls))
        })
    }

    fn groups(&self) -> &Groups {
        self.plan.groups(self.batch)
    }

    fn range(&mut self, end: impl Fn(&(Single, Single)) -> Single) -> Bind {
        let (batch, column) = (self.batch, self.plan.range.unwrap_or(0));
        let range = self.range.get_or_insert_with(|| batch.range(column));
        Bind::Single(batch.columns[column].info.clone(), end(range))
    }
}

//! Fewer points for a line on a screen.

/// At most so many of the rows of a line, so that it looks the same: largest triangle three buckets (Steinarsson, 2013).
///
/// The rows are whole, and in their order; the first and the last are among them. `point` gives the place of a row; rows are
/// in the order of its first number. Where there are no more rows than asked for, all are given; a row whose place is not a
/// number is left out.
///
/// ```
/// use occupancy_models::analysis::downsample;
///
/// let rows: Vec<(f64, f64)> = (0..1_000).map(|n| (f64::from(n), if n == 500 { 9.0 } else { 0.0 })).collect();
/// let drawn = downsample(rows, 20, |row| *row);
/// assert_eq!(drawn.len(), 20);
/// assert!(drawn.contains(&(500.0, 9.0)));
/// ```
pub fn downsample<R>(rows: impl IntoIterator<Item = R>, at_most: usize, point: impl Fn(&R) -> (f64, f64)) -> Vec<R> {
    let is_number = |row: &R| {
        let (x, y) = point(row);
        !x.is_nan() && !y.is_nan()
    };
    let rows: Vec<R> = rows.into_iter().filter(is_number).collect();
    if rows.len() <= at_most {
        return rows;
    }
    let points: Vec<(f64, f64)> = rows.iter().map(point).collect();
    let mut kept = kept(&points, at_most).into_iter().peekable();
    rows.into_iter().enumerate().filter(|(number, _)| kept.next_if_eq(number).is_some()).map(|(_, row)| row).collect()
}

/// Which points are kept, in order; there are more of them than that.
fn kept(points: &[(f64, f64)], at_most: usize) -> Vec<usize> {
    let last = points.len() - 1;
    if at_most < 3 {
        return [0, last].into_iter().take(at_most).collect();
    }
    // Between the first and the last, buckets with as many points each as can be.
    let edge = |bucket: usize| 1 + bucket * (last - 1) / (at_most - 2);
    let mut kept = vec![0];
    let mut before = points[0];
    for bucket in 0..at_most - 2 {
        let following = if bucket + 3 == at_most { last..last + 1 } else { edge(bucket + 1)..edge(bucket + 2) };
        let count = following.len() as f64;
        let (x, y) = points[following].iter().fold((0.0, 0.0), |sum, point| (sum.0 + point.0, sum.1 + point.1));
        let after = (x / count, y / count);
        let area =
            |(x, y): (f64, f64)| ((before.0 - after.0) * (y - before.1) - (before.0 - x) * (after.1 - before.1)).abs();
        let largest = (edge(bucket)..edge(bucket + 1)).max_by(|a, b| {
            // Of several the first.
            area(points[*a]).total_cmp(&area(points[*b])).then(b.cmp(a))
        });
        if let Some(largest) = largest {
            before = points[largest];
            kept.push(largest);
        }
    }
    kept.push(last);
    kept
}

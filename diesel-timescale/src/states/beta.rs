//! The beta distribution: what is known of a probability after some trials.

/// The bounds between which a probability lies with the credibility `level`, after `hits` of `trials`, by Jeffreys' prior
/// (equal tails; 0 or 1 where there are no hits or nothing but hits).
pub(super) fn credible_interval(hits: f64, trials: f64, level: f64) -> (f64, f64) {
    let (a, b) = (hits + 0.5, trials - hits + 0.5);
    let tail = (1.0 - level.clamp(0.0, 1.0)) / 2.0;
    let lower = if hits <= 0.0 { 0.0 } else { quantile(a, b, tail) };
    let upper = if hits >= trials { 1.0 } else { quantile(a, b, 1.0 - tail) };
    (lower, upper)
}

/// Where the distribution function of the beta distribution reaches `p`.
fn quantile(a: f64, b: f64, p: f64) -> f64 {
    let (mut lower, mut upper) = (0.0, 1.0);
    // Each halves what is left: the last bits of an f64.
    for _ in 0..60 {
        let middle = (lower + upper) / 2.0;
        if distribution(a, b, middle) < p { lower = middle } else { upper = middle }
    }
    (lower + upper) / 2.0
}

/// The regularised incomplete beta function.
fn distribution(a: f64, b: f64, x: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return x.clamp(0.0, 1.0);
    }
    let front = (ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b) + a * x.ln() + b * (1.0 - x).ln()).exp();
    // The fraction converges fast on this side of the mean.
    if x < (a + 1.0) / (a + b + 2.0) {
        front * fraction(a, b, x) / a
    } else {
        1.0 - front * fraction(b, a, 1.0 - x) / b
    }
}

/// The continued fraction of the incomplete beta function, by Lentz's method.
fn fraction(a: f64, b: f64, x: f64) -> f64 {
    let nonzero = |value: f64| if value.abs() < 1e-300 { 1e-300 } else { value };
    let mut c = 1.0;
    let mut d = 1.0 / nonzero(1.0 - (a + b) * x / (a + 1.0));
    let mut result = d;
    for n in 1..1_000 {
        let m = f64::from(n);
        for term in [
            m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0)),
        ] {
            d = 1.0 / nonzero(1.0 + term * d);
            c = nonzero(1.0 + term / c);
            result *= d * c;
        }
        if (d * c - 1.0).abs() < 1e-15 {
            break;
        }
    }
    result
}

/// The logarithm of the gamma function, for positive numbers, by Stirling's series.
fn ln_gamma(x: f64) -> f64 {
    // The series is good to the last bits from 10 on.
    let shift: f64 = (0..10).map(|n| (x + f64::from(n)).ln()).sum();
    let z = x + 10.0;
    let series = 1.0 / (12.0 * z) - 1.0 / (360.0 * z.powi(3)) + 1.0 / (1_260.0 * z.powi(5))
        - 1.0 / (1_680.0 * z.powi(7))
        + 1.0 / (1_188.0 * z.powi(9));
    (z - 0.5) * z.ln() - z + (2.0 * std::f64::consts::PI).ln() / 2.0 + series - shift
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::*;

    #[test]
    fn the_distribution_has_its_closed_forms() {
        for step in 1..100 {
            let x = f64::from(step) / 100.0;
            // Beta(1, 1) is uniform, Beta(a, 1) is a power, Beta(1/2, 1/2) is the arcsine distribution.
            assert!((distribution(1.0, 1.0, x) - x).abs() < 1e-13);
            assert!((distribution(7.5, 1.0, x) - x.powf(7.5)).abs() < 1e-13);
            let arcsine = 2.0 / std::f64::consts::PI * x.sqrt().asin();
            assert!((distribution(0.5, 0.5, x) - arcsine).abs() < 1e-13);
            // And it is symmetric, also for many trials.
            let both = distribution(300.5, 4_000.5, x) + distribution(4_000.5, 300.5, 1.0 - x);
            assert!((both - 1.0).abs() < 1e-11);
        }
        assert!((ln_gamma(0.5) - std::f64::consts::PI.sqrt().ln()).abs() < 1e-14);
    }

    #[test]
    fn an_interval_holds_the_level_between_its_bounds() {
        for (hits, trials) in [(1.0, 3.0), (5.0, 52.0), (51.0, 52.0), (400.0, 1_000.0)] {
            for level in [0.5, 0.9, 0.95, 0.999] {
                let (lower, upper) = credible_interval(hits, trials, level);
                let (a, b) = (hits + 0.5, trials - hits + 0.5);
                assert!((distribution(a, b, upper) - distribution(a, b, lower) - level).abs() < 1e-12);
                assert!((distribution(a, b, lower) - (1.0 - level) / 2.0).abs() < 1e-12);
            }
        }
        assert_eq!(credible_interval(0.0, 10.0, 0.95).0, 0.0);
        assert_eq!(credible_interval(10.0, 10.0, 0.95).1, 1.0);
        assert_eq!(credible_interval(0.0, 0.0, 0.95), (0.0, 1.0));
    }
}

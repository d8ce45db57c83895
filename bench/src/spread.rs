//! What several rounds have in common, and how far they are apart.

use crate::figure::number;

/// The middle one; of an even number the mean of both in the middle. `None` of none.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let sorted = sorted(values);
    let upper = *sorted.get(sorted.len() / 2)?;
    if sorted.len() % 2 == 1 {
        return Some(upper);
    }
    Some(f64::midpoint(*sorted.get(sorted.len() / 2 - 1)?, upper))
}

/// The smallest and the largest; `None` of fewer than two.
pub(crate) fn ends(values: &[f64]) -> Option<(f64, f64)> {
    let sorted = sorted(values);
    let ends = sorted.first().copied().zip(sorted.last().copied());
    ends.filter(|_| sorted.len() > 1)
}

/// The median, and where there are several the farthest of them from it: `1,234 ±5%`; nothing of none.
pub(crate) fn told(values: &[f64]) -> String {
    let Some(median) = median(values) else { return String::new() };
    let text = number(median);
    match ends(values) {
        Some((least, most)) if median > 0.0 => {
            format!("{text} ±{:.0}%", 100.0 * (median - least).max(most - median) / median)
        }
        _ => text,
    }
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_that_of_any_number_of_rounds() {
        assert_eq!(
            [&[][..], &[3.0], &[4.0, 1.0], &[9.0, 1.0, 2.0]].map(median),
            [None, Some(3.0), Some(2.5), Some(2.0)]
        );
    }

    #[test]
    fn a_spread_is_told_where_there_are_rounds() {
        assert_eq!([&[][..], &[100.0], &[90.0, 100.0, 105.0], &[0.0, 0.0]].map(told), ["", "100", "100 ±10%", "0"]);
    }
}

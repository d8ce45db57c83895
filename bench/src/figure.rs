//! Figures, as people read them.

/// Three or four figures, thousands apart: `1,234,567`, `98.7`, `1.23`.
pub(crate) fn number(value: f64) -> String {
    let decimals = if value.abs() >= 100.0 || value == 0.0 {
        0
    } else if value.abs() >= 10.0 {
        1
    } else {
        2
    };
    let text = format!("{value:.decimals$}");
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let (sign, digits) = whole.strip_prefix('-').map_or(("", whole), |digits| ("-", digits));
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    format!("{sign}{grouped}{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_figures_or_all_before_the_point() {
        let numbers = [0.0, 0.123, 1.234, 12.34, 123.4, 1_234.5, 1_234_567.0, -98_765.0].map(number);
        assert_eq!(numbers, ["0", "0.12", "1.23", "12.3", "123", "1,234", "1,234,567", "-98,765"]);
    }
}

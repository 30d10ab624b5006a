//! Exact decimals, as the hub writes prices and the status writes costs. They are integers in units
//! of a power of ten, because a sum of floats is not exact.

/// Reads a plain decimal, without a sign or an exponent, in units of 10 to the power of `-scale`.
/// Further fraction digits are cut off. Returns `None` for any other text, and where the decimal
/// has more than `digits` digits before its point.
pub(super) fn parse(text: &str, digits: usize, scale: u32) -> Option<i128> {
    let scale = scale as usize;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let plain = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !plain(whole) || !plain(fraction) {
        return None;
    }
    let whole = whole.trim_start_matches('0');
    let fraction = fraction.get(..scale).unwrap_or(fraction);
    (whole.len() <= digits)
        .then(|| format!("{whole}{fraction:0<scale$}").parse().ok())
        .flatten()
}

/// Writes a decimal that is in units of 10 to the power of `-scale`, with all its fraction digits.
pub(super) fn format(value: i128, scale: u32) -> String {
    let unit = 10_i128.pow(scale);
    let width = scale as usize;
    format!("{}.{:0width$}", value / unit, value % unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_decimals_are_read() {
        for (text, value) in [
            ("0", Some(0)),
            ("0.0014", Some(1_400)),
            ("12", Some(12_000_000)),
            ("000012.5", Some(12_500_000)),
            ("999.9999999", Some(999_999_999)),
            ("1000", None),
            ("-1", None),
            ("-0", None),
            ("+1", None),
            ("1e3", None),
            ("1.", None),
            (".5", None),
            ("1.2.3", None),
            ("1,5", None),
            (" 1", None),
            ("", None),
            (".", None),
            ("NaN", None),
            ("inf", None),
            ("٣", None),
            ("1.٣", None),
        ] {
            assert_eq!(parse(text, 3, 6), value, "{text:?}");
        }
        assert_eq!(parse(&"9".repeat(40), 6, 18), None);
        assert_eq!(parse(&format!("0.{}", "9".repeat(40)), 6, 3), Some(999));
    }

    #[test]
    fn a_decimal_is_written_with_all_its_fraction_digits() {
        for (value, text) in [
            (0, "0.000000000"),
            (1, "0.000000001"),
            (24_996_511_780, "24.996511780"),
        ] {
            assert_eq!(format(value, 9), text);
            assert_eq!(parse(text, 21, 9), Some(value));
        }
    }
}

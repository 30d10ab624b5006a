//! Prices per hour, from the hub's decimal prices per second.

use oxen_operator::api::OxenModelStatus;

/// The largest number of decimal places that is read. It keeps all products within 128 bits.
const PLACES: u32 = 18;

/// An amount of money in the hub's currency, which the hub doesn't name. It is exact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Amount(i128);

impl Amount {
    /// Reads a decimal string such as `0.000694444`. A sign or an exponent is no price.
    pub fn parse(text: &str) -> Option<Self> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = |text: &str| text.chars().all(|c| c.is_ascii_digit());
        if whole.is_empty() || whole.len() > 12 || !digits(whole) || !digits(fraction) {
            return None;
        }
        let fraction = format!("{fraction:0<18}");
        let fraction: i128 = fraction.get(..18)?.parse().ok()?;
        let whole: i128 = whole.parse().ok()?;
        Some(Self(whole * 10_i128.pow(PLACES) + fraction))
    }

    /// The amount of this many seconds, if this is the price of one.
    pub fn times(self, seconds: u64) -> Self {
        Self(self.0.saturating_mul(seconds.into()))
    }

    /// The amount with two decimal places, rounded half up.
    pub fn rounded(self) -> String {
        let cent = 10_i128.pow(PLACES - 2);
        let cents = (self.0 + cent / 2) / cent;
        format!("{}.{:02}", cents / 100, cents % 100)
    }

    /// The exact amount, with two decimal places at least.
    pub fn in_full(self) -> String {
        let one = 10_i128.pow(PLACES);
        let fraction = format!("{:018}", self.0 % one);
        let fraction = fraction.trim_end_matches('0');
        format!("{}.{fraction:0<2}", self.0 / one)
    }
}

impl std::iter::Sum for Amount {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self(0), |sum, one| Self(sum.0 + one.0))
    }
}

/// What the model costs per hour while it is active, if it is billed by time.
pub fn per_hour(status: &OxenModelStatus) -> Option<Amount> {
    Some(per_second(status)?.times(3600))
}

/// What the model costs per second while it is active, if it is billed by time.
pub fn per_second(status: &OxenModelStatus) -> Option<Amount> {
    Amount::parse(status.pricing.as_ref()?.cost_per_second.as_deref()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_multiplied_exactly_and_rounded_once() {
        for (second, hour) in [
            ("0.000694444", "2.50"),
            ("0.001", "3.60"),
            ("0", "0.00"),
            ("1", "3600.00"),
            ("0.0000013888", "0.00"),
            ("0.00000138889", "0.01"),
        ] {
            let price = Amount::parse(second).unwrap().times(3600);
            assert_eq!(price.rounded(), hour, "{second}");
        }
        for (text, exact) in [("3", "3.00"), ("0.5", "0.50"), ("0.0254", "0.0254")] {
            assert_eq!(Amount::parse(text).unwrap().in_full(), exact);
        }
        for text in ["", ".", "-1", "1e3", "one", "1.2.3", "9999999999999"] {
            assert_eq!(Amount::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_sum_is_not_the_sum_of_rounded_parts() {
        let third = Amount::parse("0.334").unwrap();
        assert_eq!([third; 3].into_iter().sum::<Amount>().rounded(), "1.00");
        assert_eq!(third.rounded(), "0.33");
    }
}

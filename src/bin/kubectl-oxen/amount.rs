//! Exact amounts of money: the hub's decimal prices per second, and what they add up to.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// The largest number of decimal places that is read. It keeps all products within 128 bits.
const PLACES: u32 = 18;

/// The decimal places of a cost, as the status writes it.
const COST_PLACES: u32 = 9;

/// The largest number of digits before the point. More of them would not fit 128 bits.
const DIGITS: usize = 19;

/// An amount of money in the hub's currency, which the hub doesn't name. It is exact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Amount(i128);

impl Amount {
    /// Reads a decimal string such as `0.000694444`. A sign or an exponent is no amount.
    pub fn parse(text: &str) -> Option<Self> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = |text: &str| text.chars().all(|c| c.is_ascii_digit());
        if whole.is_empty() || !digits(whole) || !digits(fraction) {
            return None;
        }
        let whole = whole.trim_start_matches('0');
        if whole.len() > DIGITS {
            return None;
        }
        let fraction = format!("{fraction:0<18}");
        let fraction: i128 = fraction.get(..18)?.parse().ok()?;
        let whole: i128 = format!("0{whole}").parse().ok()?;
        Some(Self(whole * 10_i128.pow(PLACES) + fraction))
    }

    /// The amount of this many seconds, if this is the price of one.
    pub fn times(self, seconds: u64) -> Self {
        Self(self.0.saturating_mul(seconds.into()))
    }

    /// The sum of two amounts.
    pub fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// The sum of the amounts that are known, or `None` if neither is.
    pub fn sum_of_known(one: Option<Self>, other: Option<Self>) -> Option<Self> {
        one.into_iter().chain(other).reduce(Self::plus)
    }

    /// The amount without a smaller one.
    pub fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0).max(0))
    }

    /// The amount with two decimal places, as an amount.
    pub fn to_cents(self) -> Self {
        let cent = 10_i128.pow(PLACES - 2);
        Self(self.0.saturating_add(cent / 2) / cent * cent)
    }

    /// A cost as the status writes it, with all its decimal places.
    pub fn exact(self) -> String {
        let unit = 10_i128.pow(PLACES);
        let fraction = self.0 % unit / 10_i128.pow(PLACES - COST_PLACES);
        format!("{}.{fraction:09}", self.0 / unit)
    }

    /// The amount with two decimal places, rounded half up.
    pub fn rounded(self) -> String {
        let cents = self.to_cents().0 / 10_i128.pow(PLACES - 2);
        format!("{}.{:02}", cents / 100, cents % 100)
    }

    /// The exact amount, with two decimal places at least.
    pub fn plain(self) -> String {
        let one = 10_i128.pow(PLACES);
        let fraction = format!("{:018}", self.0 % one);
        let fraction = fraction.trim_end_matches('0');
        format!("{}.{fraction:0<2}", self.0 / one)
    }
}

impl std::iter::Sum for Amount {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self(0), Self::plus)
    }
}

/// Writes a cost as a decimal string, because a JSON number is a float to most readers.
impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.exact())
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| D::Error::custom("it is no decimal such as \"2.50\""))
    }
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
        for (text, plain) in [("3", "3.00"), ("0.5", "0.50"), ("0.0254", "0.0254")] {
            assert_eq!(Amount::parse(text).unwrap().plain(), plain);
        }
        for text in ["", ".", "-1", "1e3", "one", "1.2.3", "99999999999999999999"] {
            assert_eq!(Amount::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_sum_is_not_the_sum_of_rounded_parts() {
        let third = Amount::parse("0.334").unwrap();
        assert_eq!([third; 3].into_iter().sum::<Amount>().rounded(), "1.00");
        assert_eq!(third.rounded(), "0.33");
    }

    #[test]
    fn a_cost_is_written_as_it_was_read() {
        for text in [
            "0.000000000",
            "286.351250000",
            "9999999999999999999.999999999",
        ] {
            assert_eq!(Amount::parse(text).unwrap().exact(), text);
        }
        let most = Amount::parse("9999999999999999999").unwrap();
        assert!(
            most.plus(most).times(u64::MAX) >= most,
            "it does not overflow"
        );
    }
}

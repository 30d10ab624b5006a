//! The price of a model that is billed by time.

use super::decimal;
use crate::api::Pricing;

/// The fraction digits of a price that count.
pub(super) const PRICE_SCALE: u32 = 18;

/// The digits of a price before its point. A price with more of them is not a price.
const PRICE_DIGITS: usize = 6;

/// The price of a second that the model is active, or `None` if it isn't billed by time, or if its
/// price is not a plain decimal.
#[must_use]
pub fn price(pricing: Option<&Pricing>) -> Option<String> {
    let text = decimal::format(exact_price(pricing)?, PRICE_SCALE);
    Some(text.trim_end_matches('0').trim_end_matches('.').to_owned())
}

/// The same price, in units of 10 to the power of `-PRICE_SCALE`.
pub(super) fn exact_price(pricing: Option<&Pricing>) -> Option<i128> {
    let pricing = pricing.filter(|pricing| pricing.method.as_deref() == Some("time"))?;
    parse_price(pricing.cost_per_second.as_deref()?)
}

pub(super) fn parse_price(text: &str) -> Option<i128> {
    decimal::parse(text, PRICE_DIGITS, PRICE_SCALE)
}

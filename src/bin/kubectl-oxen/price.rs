//! Prices of models, each in its own unit.

use oxen_operator::{api::Pricing, decide};

use crate::amount::Amount;

/// The price in the unit that it is billed by, such as `4.50/hour`; `None` where the hub names no
/// price of a known kind.
pub fn price(pricing: &Pricing) -> Option<String> {
    let amount = |text: &Option<String>| text.as_deref().and_then(Amount::parse);
    Some(match pricing.method.as_deref()? {
        "time" => format!("{}/hour", per_hour(Some(pricing))?.rounded()),
        "token" => {
            let million = |amount: Amount| amount.times(1_000_000).plain();
            let input = amount(&pricing.input_cost_per_token).map(million);
            let output = amount(&pricing.output_cost_per_token).map(million);
            let both: Vec<String> = input.into_iter().chain(output).collect();
            if both.is_empty() {
                return None;
            }
            format!("{}/1M tokens", both.join("+"))
        }
        "per_image" => format!("{}/image", amount(&pricing.cost_per_image)?.plain()),
        "per_video_output_second" => {
            let usual = amount(&pricing.cost_per_second);
            let usual = usual.or_else(|| amount(&pricing.cost_per_second_high_res));
            let usual = usual.or_else(|| amount(&pricing.cost_per_second_with_audio));
            format!("{}/second of video", usual?.plain())
        }
        _ => return None,
    })
}

/// What the model costs per hour while it is active, if it is billed by time.
pub fn per_hour(pricing: Option<&Pricing>) -> Option<Amount> {
    Some(per_second(pricing)?.times(3600))
}

/// What the model costs per second while it is active, if it is billed by time.
pub fn per_second(pricing: Option<&Pricing>) -> Option<Amount> {
    Amount::parse(&decide::price(pricing)?)
}

/// The prices beside the usual one.
pub fn more(pricing: &Pricing) -> Option<String> {
    let amount = |text: &Option<String>| text.as_deref().and_then(Amount::parse);
    let parts = [
        (&pricing.cost_per_second_high_res, "in high resolution"),
        (&pricing.cost_per_second_with_audio, "with audio"),
    ];
    let parts: Vec<String> = parts
        .into_iter()
        .filter_map(|(text, what)| Some(format!("{} {what}", amount(text)?.plain())))
        .collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_price_is_in_its_own_unit() {
        let text = |text: &str| Some(text.to_owned());
        let of = |method: &str| Pricing {
            method: text(method),
            input_cost_per_token: text("0.000003"),
            output_cost_per_token: text("0.00000018"),
            cost_per_second: text("0.00125"),
            cost_per_image: text("0.0254"),
            cost_per_second_high_res: None,
            cost_per_second_with_audio: text("0.35"),
        };
        for (method, expected) in [
            ("time", Some("4.50/hour")),
            ("token", Some("3.00+0.18/1M tokens")),
            ("per_image", Some("0.0254/image")),
            ("per_video_output_second", Some("0.00125/second of video")),
            ("per_moon", None),
        ] {
            assert_eq!(price(&of(method)).as_deref(), expected, "{method}");
            let by_time = method == "time";
            assert_eq!(per_hour(Some(&of(method))).is_some(), by_time, "{method}");
        }
        assert_eq!(more(&of("token")).unwrap(), "0.35 with audio");
        let input_only = Pricing {
            output_cost_per_token: None,
            ..of("token")
        };
        assert_eq!(price(&input_only).unwrap(), "3.00/1M tokens");
        for none in [
            Pricing::default(),
            Pricing {
                method: text("time"),
                ..Pricing::default()
            },
        ] {
            assert_eq!(price(&none), None);
            assert_eq!(more(&none), None);
        }
    }
}

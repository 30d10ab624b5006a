//! What an object's model has used while the object controlled it: the library's sums, with the
//! cost as an amount.

use jiff::Timestamp;
use oxen_operator::{
    api::{Counted, OxenModelStatus},
    decide::used_by,
};
use serde::{Deserialize, Serialize};

use crate::{age, amount::Amount, when::Now};

/// The seconds and the cost up to a time, the open period included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Used {
    /// Since when this has been counted.
    pub began: Timestamp,
    /// How long the model was active.
    pub active_seconds: i64,
    /// How long the model was deploying.
    pub deploying_seconds: i64,
    /// How long the model was in error.
    pub error_seconds: i64,
    /// How long it was not known what the model did.
    pub unseen_seconds: i64,
    /// The part of the active seconds in which no price by time was known.
    pub unpriced_seconds: i64,
    /// What the active seconds with a known price have cost. Absent if there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Amount>,
}

impl Used {
    /// The usage that the status has by this time, by the operator's own function. `None` if
    /// nothing has been counted.
    pub fn of(status: &OxenModelStatus, now: Timestamp) -> Option<Self> {
        let used = used_by(status.usage.as_ref()?, now);
        Some(Self {
            began: used.began.map_or(now, |began| began.0),
            active_seconds: used.active_seconds,
            deploying_seconds: used.deploying_seconds,
            error_seconds: used.error_seconds,
            unseen_seconds: used.unseen_seconds,
            unpriced_seconds: used.unpriced_seconds,
            cost: used.cost.as_deref().and_then(Amount::parse),
        })
    }

    /// Nothing, counted since this time.
    pub fn none(began: Timestamp) -> Self {
        Self {
            began,
            active_seconds: 0,
            deploying_seconds: 0,
            error_seconds: 0,
            unseen_seconds: 0,
            unpriced_seconds: 0,
            cost: None,
        }
    }

    /// The sum of two usages, counted since the earlier begin.
    pub fn plus(self, other: Self) -> Self {
        Self {
            began: self.began.min(other.began),
            cost: Amount::sum_of_known(self.cost, other.cost),
            ..self.seconds(&other, i64::saturating_add)
        }
    }

    /// What has been used since an earlier usage of the same count, or `None` if the other one is
    /// of another count, which began at another time. A sum that has become smaller counts as 0.
    pub fn since(self, earlier: Self) -> Option<Self> {
        let before = earlier.cost.unwrap_or_default();
        let nothing_less = |now: i64, before: i64| now.saturating_sub(before).max(0);
        (self.began == earlier.began).then(|| Self {
            cost: self.cost.map(|cost| cost.minus(before)),
            ..self.seconds(&earlier, nothing_less)
        })
    }

    /// Whether each sum is at least as large as in an earlier usage of the same count. One can be
    /// smaller where a status was restored from a backup, or where clocks differ.
    pub fn has_grown_from(&self, earlier: &Self) -> bool {
        self.active_seconds >= earlier.active_seconds
            && self.deploying_seconds >= earlier.deploying_seconds
            && self.error_seconds >= earlier.error_seconds
            && self.unseen_seconds >= earlier.unseen_seconds
            && self.unpriced_seconds >= earlier.unpriced_seconds
            && self.cost.unwrap_or_default() >= earlier.cost.unwrap_or_default()
    }

    fn seconds(self, other: &Self, of: impl Fn(i64, i64) -> i64) -> Self {
        Self {
            active_seconds: of(self.active_seconds, other.active_seconds),
            deploying_seconds: of(self.deploying_seconds, other.deploying_seconds),
            error_seconds: of(self.error_seconds, other.error_seconds),
            unseen_seconds: of(self.unseen_seconds, other.unseen_seconds),
            unpriced_seconds: of(self.unpriced_seconds, other.unpriced_seconds),
            ..self
        }
    }
}

/// The usage in words: `116h40m active since 1 November, about 291.68; 5.33 since 08:04 today`.
pub fn row(status: &OxenModelStatus, now: &Now) -> Option<String> {
    let used = Used::of(status, now.time)?;
    let active = age::total(used.active_seconds);
    let mut text = format!("{active} active since {}", now.since(used.began));
    if let Some(cost) = used.cost {
        text.push_str(&format!(", about {}", cost.rounded()));
    }
    let open = status.usage.as_ref().and_then(|usage| usage.open.as_ref());
    let open = open.filter(|open| open.is == Counted::Active && open.since.0 < now.time);
    let price = open.and_then(|open| Amount::parse(open.cost_per_second.as_deref()?));
    if let (Some(open), Some(price)) = (open, price) {
        let seconds = now.time.as_second() - open.since.0.as_second();
        let cost = price.times(seconds.unsigned_abs()).rounded();
        text.push_str(&format!("; {cost} since {}", now.since(open.since.0)));
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;
    use serde_json::json;

    use super::*;

    fn status() -> OxenModelStatus {
        let status = json!({
            "observedGeneration": 1,
            "usage": {"began": "2026-11-01T08:00:12Z", "activeSeconds": 412_345,
                      "deployingSeconds": 1890, "cost": "286.351250000",
                      "open": {"is": "active", "since": "2026-11-25T07:04:10Z",
                               "costPerSecond": "0.000694444"}},
        });
        serde_json::from_value(status).unwrap()
    }

    fn now() -> Now {
        Now {
            time: "2026-11-25T09:12:00Z".parse().unwrap(),
            zone: TimeZone::get("Europe/Berlin").unwrap(),
        }
    }

    #[test]
    fn the_usage_is_told_with_its_open_period() {
        assert_eq!(
            row(&status(), &now()).unwrap(),
            "116h40m active since 1 November, about 291.68; 5.33 since 08:04 today"
        );
        let mut status = status();
        let usage = status.usage.as_mut().unwrap();
        usage.open = None;
        usage.cost = None;
        let text = row(&status, &now()).unwrap();
        assert_eq!(text, "114h32m active since 1 November");
        assert_eq!(row(&OxenModelStatus::default(), &now()), None);
    }

    #[test]
    fn a_difference_and_what_was_before_it_add_up_exactly() {
        let earlier = Used::of(&status(), "2026-11-25T08:00:00Z".parse().unwrap()).unwrap();
        let later = Used::of(&status(), now().time).unwrap();
        let between = later.since(earlier).unwrap();
        assert_eq!(between.active_seconds, 72 * 60);
        assert_eq!(between.cost.unwrap().exact(), "2.999998080");
        assert_eq!(earlier.plus(between), later);
        assert!(later.has_grown_from(&earlier) && !earlier.has_grown_from(&later));
        let shrunk = earlier.since(later).unwrap();
        assert_eq!(shrunk.active_seconds, 0);
        assert_eq!(shrunk.cost.unwrap(), Amount::default());
        let other = Used {
            began: now().time,
            ..earlier
        };
        assert_eq!(later.since(other), None, "it is another count");
    }
}

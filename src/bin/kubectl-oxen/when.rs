//! Times of day as people write and read them, in one time zone.

use jiff::{
    SignedDuration, Timestamp, Zoned, civil,
    tz::{AmbiguousOffset, TimeZone},
};
use oxen_operator::api::Span;

use crate::age;

/// The longest time that the operator accepts for an override.
const LONGEST: SignedDuration = SignedDuration::from_hours(31 * 24);

/// The time at which a report is made, and the zone of its times of day.
#[derive(Clone, Debug)]
pub struct Now {
    /// The time.
    pub time: Timestamp,
    /// The zone.
    pub zone: TimeZone,
}

impl Now {
    /// This machine's clock and zone. The zone is an unknown one, which behaves as UTC, where TZ
    /// names none. It is UTC where the machine has no zone at all, as kubectl takes it.
    pub fn here() -> Self {
        let named = std::env::var_os("TZ").is_some_and(|name| !name.is_empty());
        let zone = TimeZone::system();
        Self {
            time: Timestamp::now(),
            zone: if zone.is_unknown() && !named {
                TimeZone::UTC
            } else {
                zone
            },
        }
    }

    /// That times are shown in UTC, because TZ names no zone.
    pub fn warning(&self) -> Option<&'static str> {
        let warning = "TZ names no time zone that is known, so times are shown in UTC. Write it as \
                       in TZ=Europe/Berlin.";
        self.zone.is_unknown().then_some(warning)
    }

    fn zoned(&self, time: Timestamp) -> Zoned {
        time.to_zoned(self.zone.clone())
    }

    /// The time of day, with its day if that isn't today: `18:00 today`, `Thu 26 Nov 08:00`.
    pub fn day_and_time(&self, time: Timestamp) -> String {
        let (now, time) = (self.zoned(self.time), self.zoned(time));
        if now.date() == time.date() {
            format!("{} today", time.strftime("%H:%M"))
        } else if now.year() == time.year() {
            time.strftime("%a %-d %b %H:%M").to_string()
        } else {
            time.strftime("%a %-d %b %Y %H:%M").to_string()
        }
    }

    /// The time of day with the zone's offset, and how far away it is: `18:00 +01:00 today (in
    /// 7h48m)`.
    pub fn coming(&self, time: Timestamp) -> String {
        let away = age::between(self.time, time);
        let day_and_time = self.day_and_time(time);
        let offset = self.zoned(time).strftime("%:z").to_string();
        let shown = match day_and_time.strip_suffix(" today") {
            Some(clock) => format!("{clock} {offset} today"),
            None => format!("{day_and_time} {offset}"),
        };
        format!("{shown} (in {away})")
    }

    /// The time for a narrow column: `18:00`, `Mon 08:00` or `25 Dec 08:00`.
    pub fn short(&self, time: Timestamp) -> String {
        let (now, zoned) = (self.zoned(self.time), self.zoned(time));
        let week = time.duration_since(self.time).abs() < SignedDuration::from_hours(6 * 24);
        if now.date() == zoned.date() {
            zoned.strftime("%H:%M").to_string()
        } else if week {
            zoned.strftime("%a %H:%M").to_string()
        } else if now.year() == zoned.year() {
            zoned.strftime("%-d %b %H:%M").to_string()
        } else {
            zoned.strftime("%-d %b %Y").to_string()
        }
    }

    /// The day since which something is so, or the time of day if that is today: `1 November`,
    /// `08:04 today`.
    pub fn since(&self, time: Timestamp) -> String {
        self.day(time, "%H:%M today", "%-d %B")
    }

    /// What [`since`](Self::since) says, for a narrow column: `1 Nov` or `08:04`.
    pub fn short_day(&self, time: Timestamp) -> String {
        self.day(time, "%H:%M", "%-d %b")
    }

    fn day(&self, time: Timestamp, today: &str, day: &str) -> String {
        let (now, time) = (self.zoned(self.time), self.zoned(time));
        if now.date() == time.date() {
            time.strftime(today).to_string()
        } else if now.year() == time.year() {
            time.strftime(day).to_string()
        } else {
            time.strftime(&format!("{day} %Y")).to_string()
        }
    }

    /// The time of day to the second, for a line of progress.
    pub fn clock(&self, time: Timestamp) -> String {
        self.zoned(time).strftime("%H:%M:%S").to_string()
    }

    /// The time as an override's annotation holds it, with this zone's offset.
    pub fn annotated(&self, time: Timestamp) -> String {
        self.zoned(time)
            .strftime("%Y-%m-%dT%H:%M:%S%:z")
            .to_string()
    }

    /// The instant that `--until` names: the next time that the zone's clock shows a time of day, a
    /// local time, or a time with an offset.
    ///
    /// # Errors
    ///
    /// It is no time, is in the past, or is more than 31 days away.
    pub fn until(&self, text: &str) -> Result<Timestamp, String> {
        if self.zone.is_unknown() && text.parse::<Timestamp>().is_err() {
            return Err(format!(
                "--until {text} needs a time zone, and TZ names none that is known: write it as in \
                 TZ=Europe/Berlin, or write 2026-11-25T18:00+01:00"
            ));
        }
        let time = self.instant(text).ok_or_else(|| {
            format!(
                "--until {text} is not a time: write 18:00, 2026-11-25T18:00 or \
                 2026-11-25T18:00+01:00"
            )
        })?;
        if time <= self.time {
            return Err(format!("--until {text} is in the past"));
        }
        self.within(time, &format!("--until {text}"))
    }

    /// The instant that `--for` leads to.
    ///
    /// # Errors
    ///
    /// It is more than 31 days away, or no time at all.
    pub fn after(&self, span: Span) -> Result<Timestamp, String> {
        let flag = format!("--for {span}");
        let seconds = SignedDuration::try_from(span.0).ok();
        let time = seconds.and_then(|span| self.time.checked_add(span).ok());
        match time.and_then(|time| Timestamp::from_second(time.as_second()).ok()) {
            Some(time) if time > self.time => self.within(time, &flag),
            Some(_) => Err(format!("{flag} is no time: write --for 2h")),
            None => Err(too_long(&flag)),
        }
    }

    fn within(&self, time: Timestamp, flag: &str) -> Result<Timestamp, String> {
        if time.duration_since(self.time) > LONGEST {
            return Err(too_long(flag));
        }
        Ok(time)
    }

    fn instant(&self, text: &str) -> Option<Timestamp> {
        // The parsers of jiff accept more than they return, and skip a date before a time of day.
        let is_clock = |text: &str| text.bytes().all(|it| it.is_ascii_digit() || it == b':');
        if is_clock(text) {
            let time: civil::Time = text.parse().ok()?;
            let today = self.zoned(self.time).date();
            let mut days = std::iter::successors(Some(today), |day| day.tomorrow().ok()).take(3);
            return days.find_map(|day| {
                let time = self.of_clock(day.to_datetime(time))?;
                (time > self.time).then_some(time)
            });
        }
        if let Ok(time) = text.parse::<Timestamp>() {
            return Some(time);
        }
        let (_, clock) = text.split_once(['T', 't', ' '])?;
        if !is_clock(clock) {
            return None;
        }
        self.of_clock(text.parse().ok()?)
    }

    /// The instant at which the zone's clock shows this. Of an hour that the clock shows twice, it
    /// is the first one that is not over. A time that the clock skips is as much later.
    fn of_clock(&self, local: civil::DateTime) -> Option<Timestamp> {
        let both = self.zone.to_ambiguous_timestamp(local);
        let first = both.compatible().ok()?;
        if matches!(both.offset(), AmbiguousOffset::Fold { .. }) && first <= self.time {
            return both.later().ok();
        }
        Some(first)
    }
}

fn too_long(flag: &str) -> String {
    format!("{flag} is too long: an override lasts at most 31 days (744h)")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now(text: &str) -> Now {
        Now {
            time: text.parse().unwrap(),
            zone: TimeZone::get("Europe/Berlin").unwrap(),
        }
    }

    #[test]
    fn until_names_an_instant() {
        let now = now("2026-11-25T09:12:30Z");
        for (text, instant) in [
            ("18:00", "2026-11-25T17:00:00Z"),
            ("10:12", "2026-11-26T09:12:00Z"),
            ("10:13", "2026-11-25T09:13:00Z"),
            ("09:00", "2026-11-26T08:00:00Z"),
            ("2026-11-27T18:00", "2026-11-27T17:00:00Z"),
            ("2026-11-27T18:00+03:00", "2026-11-27T15:00:00Z"),
            ("2026-11-27T18:00Z", "2026-11-27T18:00:00Z"),
            ("2026-11-27 18:00", "2026-11-27T17:00:00Z"),
            ("2026-11-27 18:00:30+03:00", "2026-11-27T15:00:30Z"),
        ] {
            assert_eq!(now.until(text), Ok(instant.parse().unwrap()), "{text}");
        }
        for (text, problem) in [
            ("25:00", "--until 25:00 is not a time: write 18:00"),
            ("soon", "is not a time"),
            ("18:00+05:00", "is not a time"),
            ("2026-11-27T18:00[America/New_York]", "is not a time"),
            ("2020-01-01 18:00", "is in the past"),
            ("", "is not a time"),
            ("2026-11-27", "is not a time"),
            ("2026-11-24T18:00", "is in the past"),
            ("2027-11-24T18:00", "at most 31 days (744h)"),
        ] {
            let error = now.until(text).unwrap_err();
            assert!(error.contains(problem), "{text}: {error}");
        }
        assert!(now.after("2h".parse().unwrap()).is_ok());
        assert!(now.after("744h".parse().unwrap()).is_ok());
        let long = now.after("1000h".parse().unwrap()).unwrap_err();
        assert!(long.contains("at most 31 days (744h)"), "{long}");
    }

    #[test]
    fn a_time_in_a_gap_or_a_fold_is_an_instant() {
        let gap = now("2027-03-28T00:00:00Z").until("02:30").unwrap();
        assert_eq!(gap, "2027-03-28T01:30:00Z".parse().unwrap());
        let fold = now("2027-10-31T00:00:00Z").until("02:30").unwrap();
        assert_eq!(fold, "2027-10-31T00:30:00Z".parse().unwrap());
        // In the second pass of the hour, its times are still to come.
        let second = now("2027-10-31T01:15:00Z");
        for text in ["02:30", "2027-10-31T02:30"] {
            let until = second.until(text);
            assert_eq!(until, Ok("2027-10-31T01:30:00Z".parse().unwrap()), "{text}");
        }
        let tomorrow = second.until("02:10").unwrap();
        assert_eq!(tomorrow, "2027-11-01T01:10:00Z".parse().unwrap());
    }

    #[test]
    fn a_time_of_an_unknown_zone_is_refused() {
        let now = Now {
            zone: TimeZone::unknown(),
            ..now("2026-11-25T09:12:00Z")
        };
        assert!(now.warning().unwrap().contains("TZ=Europe/Berlin"));
        for text in ["18:00", "2026-11-25T18:00"] {
            let error = now.until(text).unwrap_err();
            assert!(error.contains("TZ names none that is known"), "{error}");
        }
        let time = now.until("2026-11-25T18:00+01:00");
        assert_eq!(time, Ok("2026-11-25T17:00:00Z".parse().unwrap()));
    }

    #[test]
    fn times_name_another_day() {
        let now = now("2026-11-25T09:12:00Z");
        let time = |text: &str| text.parse::<Timestamp>().unwrap();
        assert_eq!(
            now.coming(time("2026-11-25T17:00:00Z")),
            "18:00 +01:00 today (in 7h48m)"
        );
        assert_eq!(
            now.day_and_time(time("2026-11-26T07:00:00Z")),
            "Thu 26 Nov 08:00"
        );
        assert_eq!(now.short(time("2026-11-30T07:00:00Z")), "Mon 08:00");
        assert_eq!(now.short(time("2026-12-25T07:00:00Z")), "25 Dec 08:00");
        assert_eq!(now.short(time("2027-01-25T07:00:00Z")), "25 Jan 2027");
        assert_eq!(
            now.annotated(time("2026-11-25T17:00:00Z")),
            "2026-11-25T18:00:00+01:00"
        );
    }
}

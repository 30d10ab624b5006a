//! The screen of one model of the hub.

use jiff::{Timestamp, tz::TimeZone};
use serde_json::Value;

use crate::{
    amount::Amount,
    catalog::words,
    clean,
    hub::Shown,
    price::{more, price},
};

use super::{described, row};

/// The screen. No line is wider than `width`; without a width, nothing is wrapped.
pub fn model_screen(shown: &Shown, managers: Option<&[String]>, width: Option<usize>) -> String {
    let remote = &shown.remote;
    let title = format!("{}: {}", described(&remote.model), remote.live);
    let mut lines = clean::wrap_to(&title, width);
    lines.push(String::new());
    let managed = managers.map(|managers| match managers {
        [] => "none".to_owned(),
        names => names.join(", "),
    });
    let object = ("OxenModel", managed);
    let rows = rows(shown).into_iter().chain([object]);
    for (heading, text) in rows {
        let text = text.map(|text| clean::line(&text));
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            lines.extend(row(heading, &text, width));
        }
    }
    lines.join("\n") + "\n"
}

fn rows(shown: &Shown) -> Vec<(&'static str, Option<String>)> {
    let (model, remote) = (&shown.model, &shown.remote);
    let date = |text: &String| match text.parse::<Timestamp>() {
        Ok(time) => self::date(time),
        Err(_) => text.clone(),
    };
    let created = model.created.as_ref().and_then(|it| it.0.as_i64());
    let created = created.and_then(|seconds| Timestamp::from_second(seconds).ok());
    let developer = model.developer.as_ref().and_then(|it| it.name.clone());
    let can = model.capabilities.as_ref();
    let can = can.map(|can| {
        let (input, output) = (words(can.input.as_deref()), words(can.output.as_deref()));
        format!("{input} to {output}")
    });
    vec![
        ("Name", model.display_name.clone()),
        ("Summary", model.summary.clone()),
        ("About", model.description.clone()),
        ("Developer", developer),
        ("Source", model.source_model.clone()),
        ("Released", model.released_at.as_ref().map(date)),
        ("Created", created.map(self::date)),
        ("Takes", can),
        ("Parameters", parameters(shown)),
        ("URL", remote.model.url.clone()),
        ("Price", prices(shown)),
        ("Training", training(shown)),
        ("Others", Some(remote.others_counted())),
        ("Hub says", Some(remote.notes.join("; "))),
    ]
}

/// The day, in UTC.
fn date(time: Timestamp) -> String {
    time.to_zoned(TimeZone::UTC).date().to_string()
}

fn prices(shown: &Shown) -> Option<String> {
    let pricing = shown.remote.pricing.as_ref()?;
    let all: Vec<String> = price(pricing).into_iter().chain(more(pricing)).collect();
    (!all.is_empty()).then(|| all.join(", "))
}

/// The kinds of fine-tuning, and what an hour of it costs.
fn training(shown: &Shown) -> Option<String> {
    let training = shown.model.fine_tuning.as_ref()?;
    let actions = training.actions.as_deref().unwrap_or_default().iter();
    let mut parts: Vec<String> = actions
        .map(|action| {
            action
                .as_str()
                .map_or_else(|| action.to_string(), str::to_owned)
        })
        .collect();
    let second = training.cost_per_second.as_ref().map(ToString::to_string);
    let hour = second.as_deref().and_then(Amount::parse);
    parts.extend(hour.map(|second| format!("{}/hour", second.times(3600).rounded())));
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// The names of the parameters that a request takes. Those that it needs come first.
fn parameters(shown: &Shown) -> Option<String> {
    let schema = shown.model.request_schema.as_ref()?;
    let schema: Value = serde_json::from_str(schema.0.get()).ok()?;
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    let is_required = |name: &str| required.iter().any(|one| one.as_str() == Some(name));
    let names = schema["properties"].as_object()?.keys();
    let (mut needed, other): (Vec<&str>, Vec<&str>) = names
        .map(String::as_str)
        .partition(|name| is_required(name));
    let needed_count = needed.len();
    needed.extend(other);
    let marked = needed.into_iter().enumerate().map(|(at, name)| {
        let mark = if at < needed_count { " (required)" } else { "" };
        format!("{name}{mark}")
    });
    let all: Vec<String> = marked.collect();
    (!all.is_empty()).then(|| all.join(", "))
}

//! The screen of one object.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use oxen_operator::{
    api::{Declared, ModelStatus, OxenModel, OxenModelStatus},
    decide::{DELETION_BLOCKED, READY, SYNCED, condition, is_true},
};

use crate::{
    age,
    amount::Amount,
    clean,
    fetch::Seen,
    fix,
    item::{Item, word},
    key::NoKey,
    next, price,
    table::{self, Column, Fit},
    usage,
    when::Now,
};

mod model;

pub use model::model_screen;

/// The width of a row's heading, with the space after it.
const HEADING: usize = 11;

/// What the screen shows beside the object. A section that could not be read says why.
pub struct Around {
    /// The newest events, or why they can't be read.
    pub events: Result<Vec<Seen>, String>,
    /// What the Secret of the object's key says, if it was asked for.
    pub key: Option<Result<(), NoKey>>,
}

/// The screen. No line is wider than `width`; without a width, nothing is wrapped or cut.
pub fn screen(item: &Item, around: &Around, now: &Now, width: Option<usize>) -> String {
    let conditions = item.conditions();
    let mut lines = clean::wrap_to(&title(item, &conditions), width);
    lines.push(String::new());
    for (heading, text) in rows(item, &conditions, around, now) {
        lines.extend(row(heading, &text, width));
    }
    if !conditions.is_empty() {
        lines.push(String::new());
        lines.extend(conditions_table(&conditions, now, width));
    }
    match &around.events {
        Ok(events) if events.is_empty() => {}
        Ok(events) => {
            lines.push(String::new());
            lines.extend(events_table(events, now, width));
        }
        Err(why) => {
            lines.push(String::new());
            let line = format!("not shown: events ({why})");
            lines.extend(clean::wrap_to(&line, width));
        }
    }
    lines.join("\n") + "\n"
}

fn title(item: &Item, conditions: &[Condition]) -> String {
    let name = item.full_name();
    let Some(ready) = condition(conditions, READY) else {
        return format!("{name}: not observed yet");
    };
    let suspended = if item.suspended() { ", suspended" } else { "" };
    let deleting = if item.raw.metadata.deletion_timestamp.is_some() {
        ", being deleted"
    } else {
        ""
    };
    let word = word(conditions);
    format!(
        "{name}: {word}, {}{suspended}{deleting}",
        clean::line(&ready.reason)
    )
}

fn row(heading: &str, text: &str, width: Option<usize>) -> Vec<String> {
    let room = width.map(|width| width.saturating_sub(HEADING));
    if room.is_some_and(|room| room < HEADING) {
        return clean::wrap_to(&format!("{heading} {text}"), width);
    }
    let lines = clean::wrap_to(text, room).into_iter().enumerate();
    lines
        .map(|(at, line)| {
            let heading = if at == 0 { heading } else { "" };
            format!("{heading:HEADING$}{line}").trim_end().to_owned()
        })
        .collect()
}

fn rows(
    item: &Item,
    conditions: &[Condition],
    around: &Around,
    now: &Now,
) -> Vec<(&'static str, String)> {
    let mut rows = why(item, conditions);
    let status = item.status();
    rows.push(("Model", model(item, &status)));
    let Ok(object) = &item.object else {
        return rows;
    };
    rows.extend(
        status
            .desired
            .map(|_| ("Desired", desired(object, &status, now))),
    );
    rows.extend(live(&status, now).map(|live| ("Live", live)));
    rows.push(("Next", next::next(object, now)));
    rows.extend(schedule(object).map(|schedule| ("Schedule", schedule)));
    rows.extend(overrides(&status, now));
    rows.extend(price(&status).map(|price| ("Price", price)));
    rows.extend(usage::row(&status, now).map(|usage| ("Usage", usage)));
    rows.push(("Key", key(object, around.key.as_ref())));
    let url = status.model.as_ref().and_then(|model| model.url.as_deref());
    rows.extend(url.map(|url| ("URL", clean::line(url))));
    rows
}

/// What is wrong and what to do, where a person is needed.
fn why(item: &Item, conditions: &[Condition]) -> Vec<(&'static str, String)> {
    if let Err(problem) = &item.object {
        let problem = format!(
            "This program can't read the object: {}",
            clean::line(problem)
        );
        let fix = "Correct the field, or use the plugin of the operator's version.";
        return vec![("Why", problem), ("Fix", fix.into())];
    }
    let faulty = condition(conditions, SYNCED).is_some_and(|synced| synced.status == "False");
    let verdict = fix::verdict(conditions);
    let shown = verdict.map(|verdict| verdict.presentation());
    let waiting = shown.is_some_and(|shown| shown.reason.starts_with("Would") || shown.refusal);
    let blocked = is_true(conditions, DELETION_BLOCKED);
    if !(faulty || waiting || blocked || word(conditions) == "Stalled") {
        return Vec::new();
    }
    let type_ = if faulty { SYNCED } else { READY };
    let message = condition(conditions, type_).map(|it| clean::line(&it.message));
    let fix = verdict.and_then(|verdict| fix::fix(verdict, &item.namespace(), &item.name()));
    let fix = fix.map(|fix| ("Fix", fix)).filter(|_| !blocked);
    message
        .map(|message| ("Why", message))
        .into_iter()
        .chain(fix)
        .collect()
}

fn model(item: &Item, status: &OxenModelStatus) -> String {
    let declared = item
        .text("/spec/model")
        .map(clean::line)
        .unwrap_or_default();
    match &status.model {
        Some(model) => described(model),
        None => declared,
    }
}

/// The model as the hub describes it: its ID, its owner, and its type if there is one.
fn described(model: &ModelStatus) -> String {
    let kind = model.type_.as_deref().map(clean::line);
    let kind = kind.map(|kind| format!(", {kind}")).unwrap_or_default();
    format!(
        "{} of {}{kind}",
        clean::line(&model.id),
        clean::line(&model.owner)
    )
}

/// The desired state, until when, what follows, and who says so.
fn desired(object: &OxenModel, status: &OxenModelStatus, now: &Now) -> String {
    let state = status
        .desired
        .map(|state| state.to_string())
        .unwrap_or_default();
    let by = match (&status.override_in_force, object.spec.state) {
        _ if object.metadata.deletion_timestamp.is_some() => "the object is being deleted",
        (Some(_), _) => "override",
        (None, Declared::Scheduled) => "schedule",
        (None, Declared::Active | Declared::Inactive) => return state,
    };
    match next::change(object, now.time) {
        Some(change) => format!(
            "{state} until {}, then {}: {by}",
            now.coming(change.at),
            change.to
        ),
        None => format!("{state}: {by}"),
    }
}

fn live(status: &OxenModelStatus, now: &Now) -> Option<String> {
    let live = status.live?;
    Some(match &status.since {
        Some(since) => format!(
            "{live} since {} ({})",
            now.day_and_time(since.0),
            age::between(since.0, now.time)
        ),
        None => live.to_string(),
    })
}

/// The windows, the zone and the exceptions of an object's schedule.
pub fn schedule(object: &OxenModel) -> Option<String> {
    let schedule = object.spec.schedule.as_ref()?;
    let windows: Vec<String> = schedule.active.iter().map(|it| it.clone().into()).collect();
    let except: Vec<String> = (schedule.except.iter().flatten())
        .map(ToString::to_string)
        .collect();
    let except = if except.is_empty() {
        String::new()
    } else {
        format!(", except {}", except.join(", "))
    };
    let unused = if object.spec.state == Declared::Scheduled {
        ""
    } else {
        " (not in use)"
    };
    Some(format!(
        "{} {}{except}{unused}",
        windows.join(", "),
        schedule.time_zone
    ))
}

fn overrides(status: &OxenModelStatus, now: &Now) -> Vec<(&'static str, String)> {
    let in_force = status.override_in_force.as_ref().map(|it| {
        let until = now.coming(it.until.0);
        ("Override", format!("{} until {until}", it.state))
    });
    let refused = status.refused_override.as_ref().map(|it| {
        let (value, why) = (clean::line(&it.value), clean::line(&it.why));
        ("Refused", format!("\"{value}\": {why}"))
    });
    let mut rows: Vec<_> = in_force.into_iter().chain(refused).collect();
    if rows.is_empty() && status.observed_generation >= 0 {
        rows.push(("Override", "none".into()));
    }
    rows
}

fn price(status: &OxenModelStatus) -> Option<String> {
    let second = status.pricing.as_ref()?.cost_per_second.as_deref()?;
    let hour = price::per_hour(status.pricing.as_ref()).map(Amount::rounded)?;
    Some(format!("{hour} an hour ({} a second)", clean::line(second)))
}

/// The Secret of the object's key, and whether a key is in it. The key itself is never shown.
fn key(object: &OxenModel, found: Option<&Result<(), NoKey>>) -> String {
    let found = match found {
        None | Some(Ok(())) => String::new(),
        Some(Err(NoKey::Forbidden(_))) => " (not readable by you)".into(),
        Some(Err(NoKey::Missing(_))) => " (there is none)".into(),
        Some(Err(NoKey::Invalid(why))) => format!(" (not usable: {why})"),
        Some(Err(NoKey::Unanswered(why))) => format!(" (not read: {why})"),
    };
    let own = if object.spec.api_key_secret_ref.is_some() {
        ""
    } else {
        ", or the operator's own key if allowed"
    };
    let name = clean::line(object.secret_name());
    format!("Secret {name}{found}{own}")
}

fn conditions_table(conditions: &[Condition], now: &Now, width: Option<usize>) -> Vec<String> {
    let columns = [
        Column::new("CONDITION"),
        Column::new("STATUS"),
        Column::new("SINCE"),
        Column::new("MESSAGE").fit(Fit::Cut),
    ];
    let rows: Vec<Vec<String>> = (conditions.iter())
        .map(|one| {
            vec![
                clean::line(&one.type_),
                clean::line(&one.status),
                age::between(one.last_transition_time.0, now.time),
                clean::line(&one.message),
            ]
        })
        .collect();
    table::lines(&columns, &rows, width)
}

fn events_table(events: &[Seen], now: &Now, width: Option<usize>) -> Vec<String> {
    let columns = [
        Column::new("EVENT"),
        Column::new("SEEN"),
        Column::new("MESSAGE").fit(Fit::Cut),
    ];
    let rows: Vec<Vec<String>> = (events.iter())
        .map(|event| {
            let seen = event.at.map(|at| age::between(at, now.time));
            vec![
                clean::line(&event.reason),
                seen.unwrap_or_else(|| "-".into()),
                clean::line(&event.message),
            ]
        })
        .collect();
    table::lines(&columns, &rows, width)
}

#[cfg(test)]
mod tests;

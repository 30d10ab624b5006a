//! `release`: ends a blocked deletion, and leaves the model as it is.

use std::io::{BufRead, IsTerminal, Write};

use oxen_operator::{
    api::LiveStatus,
    decide::{READY, condition},
};
use serde_json::json;

use crate::{
    amount::Amount,
    clean,
    cli::{DryRun, Global, ReleaseArgs},
    console::Console,
    item::Item,
    outcome::{Failure, Outcome},
    price,
    session::Session,
    steer::{MANAGER, of_object},
    when::Now,
};

/// Says what stays on, asks, and sets the deletion policy `Retain`. It never touches the finalizer,
/// which the operator removes.
pub async fn run(
    flags: &Global,
    args: &ReleaseArgs,
    console: &Console,
) -> Result<Outcome, Failure> {
    let session = Session::open(flags).await?;
    let item = session.get(&args.name).await?;
    let full = item.full_name();
    if item.raw.metadata.deletion_timestamp.is_none() {
        return Err(Failure::Because(format!(
            "{full} is not being deleted. To leave its model as it is at a later \
             deletion, set spec.deletionPolicy to Retain"
        )));
    }
    let patch = json!({"spec": {"deletionPolicy": "Retain"}});
    let manager = args.field_manager.as_deref().unwrap_or(MANAGER);
    match args.dry_run {
        Some(DryRun::Client) => {
            console.print(&format!("{patch}\n"))?;
            return Ok(Outcome::Done);
        }
        Some(DryRun::Server) => {
            session.patch(&args.name, &patch, manager, true).await?;
            console.say(&format!("{full}: released (server dry run)"));
            return Ok(Outcome::Done);
        }
        Some(DryRun::None) | None => {}
    }
    console.say(&consequence(&item, &Now::here()));
    if !args.yes && !confirmed()? {
        return Err("nothing was changed.".to_owned().into());
    }
    let patch = of_object(&patch, &item);
    session.patch(&args.name, &patch, manager, false).await?;
    console.say(&format!("{full}: released. The model stays as it is."));
    Ok(Outcome::Done)
}

fn consequence(item: &Item, now: &Now) -> String {
    let status = item.status();
    let since = item.raw.metadata.deletion_timestamp.as_ref();
    let since = since
        .map(|time| now.day_and_time(time.0))
        .unwrap_or_default();
    let conditions = item.conditions();
    let reason = condition(&conditions, READY).map(|ready| clean::line(&ready.reason));
    let reason = reason
        .map(|reason| format!(": {reason}"))
        .unwrap_or_default();
    let model = status.model.as_ref();
    let model = model.map_or_else(
        || {
            item.text("/spec/model")
                .map(clean::line)
                .unwrap_or_default()
        },
        |model| {
            format!(
                "{} of {}",
                clean::line(&model.id),
                clean::line(&model.owner)
            )
        },
    );
    let live = status
        .live
        .map_or_else(|| "never seen".into(), |live| format!("last seen {live}"));
    let off = matches!(status.live, Some(LiveStatus::Inactive | LiveStatus::None));
    let price = price::per_hour(status.pricing.as_ref())
        .map(Amount::rounded)
        .filter(|_| !off);
    let price = price
        .map(|price| format!(", {price} an hour"))
        .unwrap_or_default();
    let then = if off {
        ""
    } else {
        ", and nothing will turn it off"
    };
    format!(
        "{} has been waiting for its deletion since {since}{reason}.\nReleasing leaves the model \
         {model} as it is: {live}{price}{then}.",
        item.full_name()
    )
}

/// Asks on the terminal.
fn confirmed() -> Result<bool, Failure> {
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        let why = "release asks for confirmation, which needs a terminal: pass --yes";
        return Err(why.to_owned().into());
    }
    let mut stderr = std::io::stderr();
    let _ = write!(stderr, "Release it? [y/N] ").and_then(|()| stderr.flush());
    let mut answer = String::new();
    let _ = stdin.lock().read_line(&mut answer);
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

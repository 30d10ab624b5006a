//! `schedule`: when a model is active, or a row for each object.

use crate::{
    clean,
    cli::{Global, ScheduleArgs, TableOutput},
    console::Console,
    item::Item,
    outcome::{Failure, Outcome},
    output,
    schedule::{self, Days, Plan, View},
    session::Session,
    when::Now,
};

/// Shows the days of one object, or of many.
pub async fn run(
    flags: &Global,
    args: &ScheduleArgs,
    console: &Console,
) -> Result<Outcome, Failure> {
    let session = Session::open(flags).await?;
    match &args.chosen.name {
        Some(name) => one(&session.get(name).await?, args, console)?,
        None => many(&session, args, console).await?,
    }
    Ok(Outcome::Done)
}

fn one(item: &Item, args: &ScheduleArgs, console: &Console) -> Result<(), Failure> {
    let now = Now::here();
    let object = item.object.as_ref().map_err(|problem| {
        let (name, problem) = (item.full_name(), clean::line(problem));
        Failure::Because(format!("{name} can't be read: {problem}"))
    })?;
    let zone = schedule::zone(object, &now);
    let days = Days::new(&zone, args.from, args.days, now.time);
    let plan = Plan::new(item, object, now.time, &days);
    if let Some(yaml) = args.output.and_then(TableOutput::yaml) {
        let data = schedule::data(&[(item, Some(plan))], &days);
        return console.print(&output::text(&data, yaml)?);
    }
    let view = View {
        all: args.output == Some(TableOutput::Wide),
        past: args.from.is_some(),
        width: console.width(),
    };
    let planned = schedule::Shown {
        item,
        object,
        plan: &plan,
        days: &days,
        now: &now,
    };
    console.print(&planned.screen(view))?;
    console.say(&format!("\n{}", planned.summary(view)));
    Ok(())
}

async fn many(session: &Session, args: &ScheduleArgs, console: &Console) -> Result<(), Failure> {
    let namespace = (!args.chosen.all_namespaces).then_some(session.namespace.as_str());
    let items = session
        .list(namespace, args.chosen.selector.as_deref())
        .await?;
    let now = Now::here();
    let days = Days::new(&now.zone, args.from, args.days, now.time);
    let plan = |item: &Item| {
        let object = item.object.as_ref().ok()?;
        Some(Plan::new(item, object, now.time, &days))
    };
    let all: Vec<_> = items.iter().map(|item| (item, plan(item))).collect();
    if let Some(yaml) = args.output.and_then(TableOutput::yaml) {
        return console.print(&output::text(&schedule::data(&all, &days), yaml)?);
    }
    if items.is_empty() {
        console.say(&super::none(namespace));
        return Ok(());
    }
    let whole = args.output == Some(TableOutput::Wide);
    let width = console.width().filter(|_| !whole);
    let rows = schedule::overview(&all, &days, args.chosen.all_namespaces, width);
    console.print(&rows)?;
    console.say(&format!("\n{}", schedule::overview_summary(&all, &days)));
    Ok(())
}

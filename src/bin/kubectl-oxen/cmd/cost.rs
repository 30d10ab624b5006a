//! `cost`: what the models have cost, by object and by namespace.

use crate::{
    cli::{CostArgs, Global, TableOutput},
    console::Console,
    cost::{self, Missing, Report},
    outcome::{Failure, Outcome},
    output,
    overview::View,
    session::Session,
    when::Now,
};

/// Shows what the models have cost, or with `--since` what they have cost since then.
pub async fn run(flags: &Global, args: &CostArgs, console: &Console) -> Result<Outcome, Failure> {
    let file = args.since.as_deref();
    let earlier = file.map(|file| cost::read(file, Now::here().time));
    let earlier = earlier.transpose()?;
    let session = Session::open(flags).await?;
    let namespace = (!args.all_namespaces).then_some(session.namespace.as_str());
    let selector = args.selector.as_deref();
    let items = session.list(namespace, selector).await?;
    let now = Now::here();
    let report = Report::new(&items, now.time);
    let (report, missing) = match &earlier {
        Some(earlier) => report.since(earlier, namespace, selector.is_none()),
        None => (report, Missing::default()),
    };
    if let Some(yaml) = args.output.and_then(TableOutput::yaml) {
        console.print(&output::text(&report, yaml)?)?;
        return Ok(Outcome::Done);
    }
    if items.is_empty() {
        console.say(&super::none(namespace));
    } else if report.items.is_empty() && report.unread.is_empty() {
        console.say("The operator has not counted any usage of these models yet.");
    }
    let wide = args.output == Some(TableOutput::Wide);
    let view = View {
        wide,
        all_namespaces: args.all_namespaces,
        width: console.width().filter(|_| !wide),
    };
    if !report.items.is_empty() {
        console.print(&cost::tables(&report, &now, view))?;
        console.say("");
    }
    if !report.items.is_empty() || !report.unread.is_empty() || earlier.is_some() {
        console.say(&cost::notes(&report, &missing, file, &now));
    }
    Ok(Outcome::Done)
}

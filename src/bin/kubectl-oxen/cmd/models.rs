//! `models` and `search`: the hub's models as a table.

use crate::{
    catalog::Catalog,
    cli::{Global, ModelsArgs, Output, SearchArgs},
    console::Console,
    hub::{List, Shown, Which},
    outcome::{Failure, Outcome},
    reach::{Keys, Reach, about},
};

/// Lists the hub's models.
///
/// # Errors
///
/// The hub gave no list, or standard output can't be written.
pub async fn run(flags: &Global, args: &ModelsArgs, console: &Console) -> Result<Outcome, Failure> {
    let keys = Keys::of(args.unmanaged);
    let reach = Reach::open(flags, &args.hub.route, keys, console).await?;
    let which = Which::All {
        developer: args.developer.as_deref(),
        action: args.action.as_deref(),
    };
    let asked_for =
        |shown: &Shown| (!args.custom || shown.is_custom()) && (!args.active || shown.is_active());
    if !args.unmanaged {
        let list = reach.hub.list(which, asked_for).await?;
        return print(&reach, list, args.output, console);
    }
    let found = reach.unmanaged(which, console).await?;
    let (mut models, mut outcome) = (Vec::new(), found.outcome);
    for (hub, retrieved) in found.models {
        match retrieved.result {
            Ok(shown) => models.extend(Some(shown).filter(asked_for)),
            Err(missing) => {
                let asked = &retrieved.asked;
                console.error(&about(hub, asked, &missing));
                outcome = Outcome::Failed;
            }
        }
    }
    // Several keys may see the same model.
    models.sort_by_cached_key(Shown::identity);
    models.dedup_by_key(|shown| shown.identity());
    let list = List {
        models,
        unreadable: found.unreadable,
    };
    print(&reach, list, args.output, console)?;
    Ok(outcome)
}

/// Lists the models whose name matches.
///
/// # Errors
///
/// The hub gave no list, or standard output can't be written.
pub async fn search(
    flags: &Global,
    args: &SearchArgs,
    console: &Console,
) -> Result<Outcome, Failure> {
    let reach = Reach::open(flags, &args.hub.route, Keys::One, console).await?;
    let list = reach
        .hub
        .list(Which::Matching(&args.word), |_| true)
        .await?;
    print(&reach, list, args.output, console)
}

fn print(
    reach: &Reach,
    list: List,
    form: Option<Output>,
    console: &Console,
) -> Result<Outcome, Failure> {
    let catalog = Catalog::new(&list.models, &reach.objects);
    let wide = form == Some(Output::Wide);
    match form {
        Some(Output::Json) => console.print(&catalog.list(false)?)?,
        Some(Output::Yaml) => console.print(&catalog.list(true)?)?,
        Some(Output::Name) => console.print(&catalog.names())?,
        Some(Output::Wide) | None if list.models.is_empty() => console.say("No such models."),
        Some(Output::Wide) | None => {
            let width = console.width().filter(|_| !wide);
            console.print(&catalog.table(wide, width))?;
            console.say(&format!("\n{}", catalog.summary()));
        }
    }
    reach.notes(list.unreadable, console);
    Ok(Outcome::Done)
}

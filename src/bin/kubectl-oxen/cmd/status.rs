//! `status`: the screen of one object, or a table of many.

use crate::{
    cli::{Global, Output, StatusArgs},
    console::Console,
    item::Item,
    live,
    outcome::{Failure, Outcome},
    output,
    overview::{self, View},
    renewable::Renewable,
    screen::{self, Around},
    session::Session,
    when::Now,
};

/// Shows one object or many. Whatever it shows is a success.
pub async fn run(flags: &Global, args: &StatusArgs, console: &Console) -> Result<Outcome, Failure> {
    let form = args.output.filter(|form| *form != Output::Wide);
    if args.watch && form.is_some() {
        let fix = "--watch shows a table: leave --output out, or write -o wide";
        return Err(fix.to_owned().into());
    }
    let mut flags = flags.clone();
    // Lines of -v would disturb the frames.
    flags.verbose &= !args.watch || console.window().is_none();
    if args.watch {
        let session = Renewable::open(&flags).await?;
        return live::run(&session, args, console).await;
    }
    let session = Session::open(&flags).await?;
    match &args.chosen.name {
        Some(name) => one(&session, name, args, console).await?,
        None => many(&session, args, console).await?,
    }
    Ok(Outcome::Done)
}

async fn one(
    session: &Session,
    name: &str,
    args: &StatusArgs,
    console: &Console,
) -> Result<(), Failure> {
    let is_screen = matches!(args.output, None | Some(Output::Wide));
    let events = async {
        if is_screen {
            session.events(name).await.map_err(|trouble| trouble.why)
        } else {
            Ok(Vec::new())
        }
    };
    let item = async {
        let item = session.get(name).await?;
        let key = match &item.object {
            Ok(object) if is_screen => Some(session.check_key(object).await),
            Ok(_) | Err(_) => None,
        };
        Ok::<_, Failure>((item, key))
    };
    let (item, events) = futures::join!(item, events);
    let (item, key) = item?;
    let items = [item];
    let now = Now::here();
    if let Some(text) = in_form(&items, &now, args.output)? {
        return console.print(&text);
    }
    let [item] = &items;
    let width = console
        .width()
        .filter(|_| args.output != Some(Output::Wide));
    console.print(&screen::screen(item, &Around { events, key }, &now, width))
}

async fn many(session: &Session, args: &StatusArgs, console: &Console) -> Result<(), Failure> {
    let namespace = (!args.chosen.all_namespaces).then_some(session.namespace.as_str());
    let items = session
        .list(namespace, args.chosen.selector.as_deref())
        .await?;
    let now = Now::here();
    if let Some(text) = in_form(&items, &now, args.output)? {
        return console.print(&text);
    }
    if items.is_empty() {
        console.say(&super::none(namespace));
        return Ok(());
    }
    let width = console.width();
    let wide = args.output == Some(Output::Wide);
    let view = View {
        wide,
        all_namespaces: args.chosen.all_namespaces,
        width: width.filter(|_| !wide),
    };
    console.print(&overview::table(&items, &now, view))?;
    console.say(&format!("\n{}", overview::summary(&items, &now, width)));
    Ok(())
}

/// The objects in the form of `-o`, unless that is a screen or a table.
fn in_form(items: &[Item], now: &Now, form: Option<Output>) -> Result<Option<String>, Failure> {
    match form {
        None | Some(Output::Wide) => Ok(None),
        Some(Output::Json) => output::list(items, now, false).map(Some),
        Some(Output::Yaml) => output::list(items, now, true).map(Some),
        Some(Output::Name) => Ok(Some(output::names(items))),
    }
}

//! `model`: one model of the hub.

use crate::{
    catalog::Catalog,
    cli::{Global, ModelArgs, ObjectOutput},
    console::Console,
    outcome::{Failure, Outcome},
    reach::{Keys, Reach},
    screen::model_screen,
};

/// Shows one model of the hub.
///
/// # Errors
///
/// The hub doesn't show it, or standard output can't be written.
pub async fn run(flags: &Global, args: &ModelArgs, console: &Console) -> Result<Outcome, Failure> {
    let reach = Reach::open(flags, &args.hub.route, Keys::One, console).await?;
    let shown = match reach.hub.retrieve(&args.id, args.live).await {
        Ok(shown) => shown,
        Err(fault) => return Err(reach.hub.not_found(&args.id, &fault).await),
    };
    let catalog = Catalog::new([&shown], &reach.objects);
    let text = match args.output {
        Some(ObjectOutput::Json) => catalog.list(false)?,
        Some(ObjectOutput::Yaml) => catalog.list(true)?,
        Some(ObjectOutput::Name) => catalog.names(),
        None => {
            let managers = catalog.managers(&shown);
            model_screen(&shown, managers.as_deref(), console.width())
        }
    };
    console.print(&text)?;
    reach.notes(0, console);
    Ok(Outcome::Done)
}

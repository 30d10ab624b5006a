//! `import`: manifests for models that exist already.

use std::collections::BTreeSet;

use crate::{
    clean,
    cli::{Global, ImportArgs},
    console::Console,
    hub::{Hub, Missing, Retrieved, Shown, Wanted, Which},
    manifest::{self, Adopted, Common, Taken},
    outcome::{Failure, Outcome},
    reach::{Found, Keys, Reach, about},
};

/// Prints a manifest for each model. A model without a manifest is reported with
/// the reason.
///
/// # Errors
///
/// The hub can't be asked, or standard output can't be written.
pub async fn run(flags: &Global, args: &ImportArgs, console: &Console) -> Result<Outcome, Failure> {
    let keys = Keys::of(args.unmanaged);
    let reach = Reach::open(flags, &args.hub.route, keys, console).await?;
    let found = models(&reach, args, console).await?;
    let mut import = Import {
        reach: &reach,
        console,
        named: !args.ids.is_empty(),
        adopted: Vec::new(),
        skipped: BTreeSet::new(),
        outcome: found.outcome,
    };
    for (hub, retrieved) in found.models {
        import.adopt(hub, retrieved);
    }
    let namespace = Some(reach.namespace.as_str()).filter(|name| !name.is_empty());
    let taken = if reach.objects.are_known() {
        Taken::Known(reach.objects.names(&reach.namespace))
    } else {
        Taken::Unknown
    };
    let common = Common {
        namespace,
        act: args.act,
    };
    let unique = manifest::unique(&import.adopted);
    console.print(&manifest::yaml(&unique, &taken, &common))?;
    console.say(&summary(unique.len(), import.skipped.len()));
    reach.notes(found.unreadable, console);
    Ok(import.outcome)
}

/// The models that are asked for, as a live retrieve shows them.
async fn models<'a>(
    reach: &'a Reach,
    args: &ImportArgs,
    console: &Console,
) -> Result<Found<'a>, Failure> {
    if args.unmanaged {
        return reach.unmanaged(Which::ALL, console).await;
    }
    let (wanted, unreadable) = if args.all_custom {
        let list = reach.hub.list(Which::ALL, Shown::is_custom).await?;
        let wanted: Vec<Wanted> = list.models.iter().map(Shown::wanted).collect();
        (wanted, list.unreadable)
    } else {
        let unique: BTreeSet<&String> = args.ids.iter().collect();
        let named = unique.into_iter().map(|id| Wanted {
            id: id.clone(),
            owner: None,
        });
        (named.collect(), 0)
    };
    let retrieved = reach.hub.retrieve_all(&wanted).await?.into_iter();
    Ok(Found {
        models: retrieved.map(|one| (&reach.hub, one)).collect(),
        unreadable,
        outcome: Outcome::Done,
    })
}

/// An import under way.
struct Import<'a> {
    reach: &'a Reach,
    console: &'a Console,
    /// Whether the models were asked for by their names.
    named: bool,
    adopted: Vec<Adopted>,
    /// The lines about what is skipped.
    skipped: BTreeSet<String>,
    outcome: Outcome,
}

impl Import<'_> {
    fn adopt(&mut self, hub: &Hub, retrieved: Retrieved) {
        let Retrieved { asked, result } = retrieved;
        let shown = match result {
            Ok(shown) => shown,
            Err(Missing::NoUrl) => {
                self.skip(&asked, "its name can't be a part of a URL");
                return;
            }
            Err(missing) => {
                self.console.error(&about(hub, &asked, &missing));
                self.outcome = Outcome::Failed;
                return;
            }
        };
        let adopted = match self.reach.manager(&shown) {
            Some(manager) => Err(format!("{manager} manages it")),
            None => Adopted::new(&shown.remote, &asked, self.reach.secret(hub)),
        };
        match adopted {
            Ok(adopted) => self.adopted.push(adopted),
            Err(why) => {
                let model = &shown.remote.model;
                self.skip(&format!("{} of {}", model.id, model.owner), &why);
            }
        }
    }

    fn skip(&mut self, model: &str, why: &str) {
        let (model, why) = (clean::line(model), clean::line(why));
        let line = format!("skipped {model}: {why}");
        if self.skipped.insert(line.clone()) {
            self.console.say(&line);
        }
        if self.named {
            self.outcome = Outcome::Failed;
        }
    }
}

fn summary(manifests: usize, skipped: usize) -> String {
    let manifests = match manifests {
        1 => "1 manifest".to_owned(),
        count => format!("{count} manifests"),
    };
    let skipped = match skipped {
        0 => String::new(),
        count => format!(", {count} skipped"),
    };
    format!("{manifests}{skipped}.")
}

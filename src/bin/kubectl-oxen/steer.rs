//! One change of one or more objects: the refusals, the patches, and then the waits.

use jiff::{SignedDuration, Timestamp};
use kube::core::DynamicObject;
use serde_json::{Value, json};

use crate::{
    cli::{DryRun, Global, ObjectOutput, SteerArgs},
    console::Console,
    item::Item,
    outcome::{Failure, Outcome},
    output,
    refuse::{Change, idle, refusal},
    renewable::Renewable,
    session::Session,
    wait::Request,
    watch::{Changed, Waits},
    when::Now,
};

/// The field manager of an override's annotation, which is fixed: Flux takes back the fields of
/// managers that begin with `kubectl`.
pub const OVERRIDE_MANAGER: &str = "oxen-override";

/// The field manager of every other change.
pub const MANAGER: &str = "oxen-plugin";

/// How far this machine's clock may be from the API server's before an override's end is doubted.
const SKEW: SignedDuration = SignedDuration::from_secs(30);

/// What is changed in each object.
pub struct Plan {
    /// The kind of change, for the refusals.
    pub change: Change,
    /// The merge patch.
    pub patch: Value,
    /// The field manager, unless a flag names another.
    pub manager: &'static str,
    /// What the operator does after the change, or nothing. It is said before the change is made.
    pub follows: Box<dyn Fn(&Item) -> String>,
    /// What the change means, for an object.
    pub means: Box<dyn Fn(&Item) -> String>,
    /// What is waited for, once the API server has answered with the changed object.
    pub request: Box<dyn Fn(&DynamicObject) -> Request>,
    /// What follows the verdict where the change is done, such as its cost.
    pub then: Box<dyn Fn(&Item) -> String>,
    /// What stays in force where a wait ends early, as a sentence.
    pub stays: String,
    /// Whether the end of the change was computed with this machine's clock.
    pub timed: bool,
}

/// Makes the change in each named object, or in each with the labels, and then waits for all of
/// them. All are tried.
///
/// # Errors
///
/// The cluster can't be reached, or standard output can't be written.
pub async fn run(
    flags: &Global,
    args: &SteerArgs,
    console: &Console,
    plan: &Plan,
) -> Result<Outcome, Failure> {
    let session = Renewable::open(flags).await?;
    let steering = Steering {
        session: &*session.current().await,
        args,
        console,
        plan,
    };
    let (mut outcome, mut changed) = steering.all().await?;
    if args.wait {
        let waits = Waits {
            session: &session,
            console,
            timeout: args.timeout,
            stays: &plan.stays,
            then: &*plan.then,
            verdicts: args.output.is_none(),
            several: changed.len() > 1,
        };
        outcome = outcome.worst(waits.run(&mut changed).await?);
    }
    print(args, console, changed)?;
    Ok(outcome)
}

/// Prints the changed objects, where `-o` asks for them.
fn print(args: &SteerArgs, console: &Console, changed: Vec<Changed>) -> Result<(), Failure> {
    let items: Vec<Item> = changed.into_iter().map(|one| one.item).collect();
    match args.output {
        Some(ObjectOutput::Name) => console.print(&output::names(&items)),
        Some(form) if args.dry_run != Some(DryRun::Client) => {
            let yaml = form == ObjectOutput::Yaml;
            console.print(&output::list(&items, &Now::here(), yaml)?)
        }
        Some(_) | None => Ok(()),
    }
}

struct Steering<'a> {
    session: &'a Session,
    args: &'a SteerArgs,
    console: &'a Console,
    plan: &'a Plan,
}

impl Steering<'_> {
    /// Makes the change in all objects. One that fails concerns no other one.
    async fn all(&self) -> Result<(Outcome, Vec<Changed>), Failure> {
        let (mut outcome, mut changed) = (Outcome::Done, Vec::new());
        let mut settle = |done: Result<Changed, Failure>| match done {
            Ok(one) => {
                changed.push(one);
                Ok(())
            }
            Err(Failure::Because(sentence)) => {
                self.console.error(&sentence);
                outcome = Outcome::Failed;
                Ok(())
            }
            Err(Failure::ReaderGone) => Err(Failure::ReaderGone),
        };
        match &self.args.selector {
            Some(selector) => {
                for item in self.selected(selector).await? {
                    settle(self.one(item).await)?;
                }
            }
            None => {
                let names = &self.args.names;
                let first = |at: usize| !names[..at].contains(&names[at]);
                for (_, name) in (names.iter().enumerate()).filter(|(at, _)| first(*at)) {
                    settle(self.named(name).await)?;
                }
            }
        }
        Ok((outcome, changed))
    }

    async fn selected(&self, selector: &str) -> Result<Vec<Item>, Failure> {
        let namespace = &self.session.namespace;
        let items = self.session.list(Some(namespace), Some(selector)).await?;
        if items.is_empty() {
            self.console.say(&format!(
                "No OxenModel of namespace {namespace} has these labels."
            ));
        }
        Ok(items)
    }

    async fn named(&self, name: &str) -> Result<Changed, Failure> {
        self.one(self.session.get(name).await?).await
    }

    async fn one(&self, item: Item) -> Result<Changed, Failure> {
        let Self { args, plan, .. } = self;
        if let Some(refusal) = refusal(&item, plan.change) {
            return Err(refusal.into());
        }
        let follows = (plan.follows)(&item);
        if !follows.is_empty() {
            self.console.say(&follows);
        }
        let manager = args.field_manager.as_deref().unwrap_or(plan.manager);
        if args.dry_run == Some(DryRun::Client) {
            self.console.print(&format!("{}\n", plan.patch))?;
            let request = (plan.request)(&item.raw);
            return Ok(Changed { item, request });
        }
        let dry = args.dry_run == Some(DryRun::Server);
        let name = item.name();
        let begun = Timestamp::now();
        let patch = of_object(&plan.patch, &item);
        let patched = self.session.patch(&name, &patch, manager, dry).await?;
        let note = if dry { " (server dry run)" } else { "" };
        self.console.say(&format!("{}{note}", (plan.means)(&item)));
        if let Some(warning) = idle(&item, plan.change) {
            self.console.warn(&warning);
        }
        if plan.timed && !has_annotations(&item, &plan.patch) {
            self.warn_of_skew(&patched, manager, begun);
        }
        Ok(Changed {
            request: (plan.request)(&patched),
            item: Item::new(patched),
        })
    }

    /// Warns where this machine's clock is far from the API server's, as the time of the write in
    /// the managed fields shows. The write began at `begun`.
    fn warn_of_skew(&self, patched: &DynamicObject, manager: &str, begun: Timestamp) {
        let Some(at) = written_at(patched, manager) else {
            return;
        };
        let skew = skew(at, begun, Timestamp::now());
        if skew.abs() > SKEW {
            let (side, effect) = if skew.is_positive() {
                ("ahead of", "early")
            } else {
                ("behind", "late")
            };
            self.console.warn(&format!(
                "the API server's clock is {} {side} this machine's, so the override ends {effect} \
                 by that. Correct the clock.",
                crate::age::duration(skew.abs())
            ));
        }
    }
}

/// Returns true when the object has the annotations of the patch already. The patch then writes
/// nothing, and the time in the managed fields is an older one.
fn has_annotations(item: &Item, patch: &Value) -> bool {
    let wanted = patch.pointer("/metadata/annotations");
    let wanted = wanted.and_then(Value::as_object).into_iter().flatten();
    let own = item.raw.metadata.annotations.as_ref();
    let has = |name: &str, value: &Value| {
        let own = own.and_then(|own| own.get(name));
        own.map(String::as_str) == value.as_str()
    };
    wanted.into_iter().all(|(name, value)| has(name, value))
}

/// How far another clock is ahead, where it showed `at` at some time from `begun` to `ended`.
fn skew(at: Timestamp, begun: Timestamp, ended: Timestamp) -> SignedDuration {
    // This clock can be set back meanwhile.
    at.duration_since(at.clamp(begun.min(ended), ended))
}

/// When a field manager last wrote the object.
fn written_at(object: &DynamicObject, manager: &str) -> Option<Timestamp> {
    let entries = object.metadata.managed_fields.iter().flatten();
    let own = entries.filter(|entry| entry.manager.as_deref() == Some(manager));
    own.filter_map(|entry| entry.time.as_ref())
        .map(|time| time.0)
        .max()
}

/// The patch, limited to this object: another one that has its name by then is left alone.
pub fn of_object(patch: &Value, item: &Item) -> Value {
    let mut patch = patch.clone();
    patch["metadata"]["uid"] = json!(item.raw.metadata.uid);
    patch
}

/// The merge patch that sets an annotation.
pub fn annotate(name: &str, value: &str) -> Value {
    json!({"metadata": {"annotations": {name: value}}})
}

/// The generation of an object.
pub fn generation(object: &DynamicObject) -> i64 {
    object.metadata.generation.unwrap_or_default()
}

/// Nothing, for a plan that has no more to say.
pub fn nothing() -> Box<dyn Fn(&Item) -> String> {
    Box::new(|_| String::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_write_is_no_difference_of_clocks() {
        let at = |second| Timestamp::from_second(second).unwrap();
        for (written, begun, ended, expected) in [
            (100, 100, 160, 0),
            (160, 100, 160, 0),
            (40, 100, 160, -60),
            (220, 100, 160, 60),
        ] {
            let found = skew(at(written), at(begun), at(ended));
            assert_eq!(found, SignedDuration::from_secs(expected), "{written}");
        }
    }
}

//! One change of one or more objects: the refusals, the patch, and the wait.

use jiff::{SignedDuration, Timestamp};
use kube::core::DynamicObject;
use serde_json::{Value, json};

use crate::{
    cli::{DryRun, Global, ObjectOutput, SteerArgs},
    console::Console,
    item::Item,
    outcome::{Failure, Outcome},
    output,
    refuse::{Change, refusal},
    session::Session,
    wait::Request,
    watch::Wait,
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
    /// What the change means, for an object.
    pub means: Box<dyn Fn(&Item) -> String>,
    /// What is waited for, once the API server has answered with the changed object.
    pub request: Box<dyn Fn(&DynamicObject) -> Request>,
    /// What stays in force where a wait ends early, as a sentence.
    pub stays: String,
    /// Whether the end of the change was computed with this machine's clock.
    pub timed: bool,
}

/// Makes the change in each named object, or in each with the labels. All are tried.
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
    let session = Session::open(flags).await?;
    let steering = Steering {
        session: &session,
        args,
        console,
        plan,
    };
    let (mut outcome, mut changed) = (Outcome::Done, Vec::new());
    let mut settle = |done: Result<(Outcome, Option<Item>), Failure>| match done {
        Ok((one, item)) => {
            outcome = outcome.worst(one);
            changed.extend(item);
            Ok(one)
        }
        Err(Failure::Because(sentence)) => {
            console.error(&sentence);
            outcome = outcome.worst(Outcome::Failed);
            Ok(Outcome::Failed)
        }
        Err(Failure::ReaderGone) => Err(Failure::ReaderGone),
    };
    match &args.selector {
        Some(selector) => {
            let items = session
                .list(Some(&session.namespace), Some(selector))
                .await?;
            if items.is_empty() {
                let namespace = &session.namespace;
                console.say(&format!(
                    "No OxenModel of namespace {namespace} has these labels."
                ));
            }
            for item in items {
                if settle(steering.one(item).await)? == Outcome::Interrupted {
                    break;
                }
            }
        }
        None => {
            for name in &args.names {
                if settle(steering.named(name).await)? == Outcome::Interrupted {
                    break;
                }
            }
        }
    }
    print(args, console, &changed)?;
    Ok(outcome)
}

/// Prints the changed objects, where `-o` asks for them.
fn print(args: &SteerArgs, console: &Console, changed: &[Item]) -> Result<(), Failure> {
    match args.output {
        Some(ObjectOutput::Name) => console.print(&output::names(changed)),
        Some(form) if args.dry_run != Some(DryRun::Client) => {
            let yaml = form == ObjectOutput::Yaml;
            console.print(&output::list(changed, &Now::here(), yaml)?)
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
    async fn named(&self, name: &str) -> Result<(Outcome, Option<Item>), Failure> {
        self.one(self.session.get(name).await?).await
    }

    async fn one(&self, item: Item) -> Result<(Outcome, Option<Item>), Failure> {
        let Self { args, plan, .. } = self;
        if let Some(refusal) = refusal(&item, plan.change) {
            return Err(refusal.into());
        }
        let manager = args.field_manager.as_deref().unwrap_or(plan.manager);
        if args.dry_run == Some(DryRun::Client) {
            self.console.print(&format!("{}\n", plan.patch))?;
            return Ok((Outcome::Done, Some(item)));
        }
        let dry = args.dry_run == Some(DryRun::Server);
        let name = item.name();
        let patch = of_object(&plan.patch, &item);
        let patched = self.session.patch(&name, &patch, manager, dry).await?;
        let note = if dry { " (server dry run)" } else { "" };
        self.console.say(&format!("{}{note}", (plan.means)(&item)));
        if plan.timed {
            self.warn_of_skew(&patched, manager);
        }
        let request = (plan.request)(&patched);
        let mut item = Item::new(patched);
        if !args.wait {
            return Ok((Outcome::Done, Some(item)));
        }
        let wait = Wait {
            session: self.session,
            console: self.console,
            request,
            timeout: args.timeout,
            stays: plan.stays.clone(),
        };
        let (outcome, last) = wait.run(&item).await?;
        if let Some(last) = last {
            item = Item::new(last);
        }
        Ok((outcome, Some(item)))
    }

    /// Warns where this machine's clock is far from the API server's, as the time of the write in
    /// the managed fields shows. Each override has a value of its own, so each patch is a write.
    fn warn_of_skew(&self, patched: &DynamicObject, manager: &str) {
        let now = Timestamp::now();
        let Some(skew) = written_at(patched, manager).map(|at| at.duration_since(now)) else {
            return;
        };
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

//! The walkthrough of `make demo`: the samples reach the reasons in their files, one model is
//! deactivated and activated again, an override ends and a window begins in real time, a budget
//! refuses an activation, two objects are deleted, and the operator finds the model that one of
//! them leaves active.

use jiff::{SignedDuration, Timestamp};

use tokio::time::{Instant, sleep};

use crate::Result;
use crate::console::Console;
use crate::environment::{Environment, Paths};
use crate::sample::Sample;
use crate::table::{Object, POLL_INTERVAL, TIMEOUT, Table};

/// The object that the walkthrough deactivates, activates and deletes.
const TOGGLED: &str = "support-bot";
const TOGGLED_MODEL: &str = "support-bot-v2";

/// The object that the walkthrough deletes and that has `deletionPolicy: Retain`.
const RETAINED: &str = "invoice-reader";
const RETAINED_MODEL: &str = "invoice-reader";

/// The words of the log about the model that this object leaves active.
const REPORTED: [&str; 2] = ["in no OxenModel", RETAINED_MODEL];

/// The object whose window begins at the next full minute.
const SCHEDULED: &str = "office-bot";

/// The object that the walkthrough turns on with an override, and how long the override lasts.
const OVERRIDDEN: &str = "demo-bot";
const OVERRIDE: SignedDuration = SignedDuration::from_secs(20);

/// The budget, and the object whose activation it refuses.
const BUDGET: &str = "team-budget";
const REFUSED: &str = OVERRIDDEN;

/// The object whose message the walkthrough prints.
const MISSPELLED: &str = "typo";

pub(crate) async fn run(paths: &Paths, console: Console) -> Result<()> {
    let samples = Sample::read_all(&paths.examples)?;
    console.print(
        "The operator runs on this machine only, and needs no account. Press Ctrl-C to stop it.\n",
    );
    let mut environment = Environment::start(paths, None, console).await?;
    let mut table = Table::new();
    apply_samples(&mut environment, &mut table, &samples, paths).await?;
    let begin = start_clocks(&environment).await?;
    toggle_model(&mut environment, &mut table).await?;
    await_clocks(&mut environment, &mut table, begin).await?;
    exceed_budget(&mut environment, &mut table).await?;
    let reported = environment.operator.count_logged(&REPORTED);
    delete_objects(&mut environment, &mut table).await?;
    find_unmanaged(&environment, reported).await?;
    let summary = summary(&environment, samples.len());
    console.print_timed("stopping everything");
    drop(environment);
    console.print(&summary);
    Ok(())
}

async fn apply_samples(
    environment: &mut Environment,
    table: &mut Table,
    samples: &[Sample],
    paths: &Paths,
) -> Result<()> {
    environment.apply(&paths.examples).await?;
    let unmet = |objects: &[Object]| {
        let unmet = samples.iter().map(|sample| sample.unmet(objects));
        unmet.flatten().collect()
    };
    table.print_until(environment, unmet).await?;
    let console = environment.console;
    console.print_timed("every sample has reached the reason in its file:");
    for sample in samples {
        console.print(&format!(
            "    {:<16} {:<16} {}",
            sample.file, sample.name, sample.reason
        ));
    }
    print_message(environment, MISSPELLED).await
}

/// Prints the message of an object.
async fn print_message(environment: &Environment, name: &str) -> Result<()> {
    let jsonpath = "-o=jsonpath={.status.conditions[?(@.type==\"Ready\")].message}{\"\\n\"}";
    let message = environment.kubectl(&["get", "oxm", name, jsonpath]).await?;
    environment.console.print(&format!("    {message}"));
    Ok(())
}

async fn toggle_model(environment: &mut Environment, table: &mut Table) -> Result<()> {
    for (state, reason) in [("inactive", "Inactive"), ("active", "Active")] {
        let patch = format!(r#"{{"spec":{{"state":"{state}"}}}}"#);
        let command = ["patch", "oxm", TOGGLED, "--type", "merge", "-p", &patch];
        environment.kubectl(&command).await?;
        let unmet = |objects: &[Object]| {
            let mut all = objects.iter();
            if all.any(|object| object.name == TOGGLED && object.has_reason(reason)) {
                return Vec::new();
            }
            vec![format!("{TOGGLED} is not {state}")]
        };
        table.print_until(environment, unmet).await?;
    }
    Ok(())
}

/// Requests an override that ends soon, and a window that begins at the next full minute. Returns
/// when the window begins.
async fn start_clocks(environment: &Environment) -> Result<Timestamp> {
    let now = whole_second(Timestamp::now());
    let annotation = format!("oxen.ai/override=active until {}", now + OVERRIDE);
    let command = ["annotate", "oxm", OVERRIDDEN, &annotation];
    environment.kubectl(&command).await?;
    let begin = next_minute(now + SignedDuration::from_secs(5));
    let clock = |at: Timestamp| at.strftime("%H:%M").to_string();
    let window = format!(
        "{}-{}",
        clock(begin),
        clock(begin + SignedDuration::from_hours(1))
    );
    let schedule = serde_json::json!({"spec": {"schedule": {
        "timeZone": "UTC", "active": [window], "except": null, "warmUp": null,
    }}});
    let patch = schedule.to_string();
    let command = ["patch", "oxm", SCHEDULED, "--type", "merge", "-p", &patch];
    environment.kubectl(&command).await?;
    Ok(begin)
}

/// Waits until the override has ended and the window has begun.
async fn await_clocks(
    environment: &mut Environment,
    table: &mut Table,
    begin: Timestamp,
) -> Result<()> {
    environment.console.print_timed(&format!(
        "waiting for the end of the override of {OVERRIDDEN}, and for {begin}, when the window of \
         {SCHEDULED} begins"
    ));
    let unmet = |objects: &[Object]| {
        let expected = [(OVERRIDDEN, "Inactive"), (SCHEDULED, "Active")];
        let unmet = expected.iter().filter(|(name, reason)| {
            let mut all = objects.iter();
            !all.any(|object| object.name == *name && object.has_reason(reason))
        });
        unmet
            .map(|(name, reason)| format!("{name} has not reached the reason {reason}"))
            .collect()
    };
    table.print_until(environment, unmet).await?;
    let posts = environment.hub.journal().posts_for("demo-bot-v1").len();
    if posts != 2 {
        return Err(format!("the override led to {posts} calls instead of two").into());
    }
    Ok(())
}

/// Lowers the limit of the budget below what is on, which turns nothing off, and declares one more
/// model active. Its activation is refused until the limit is raised again.
async fn exceed_budget(environment: &mut Environment, table: &mut Table) -> Result<()> {
    let limit = async |environment: &Environment, most: u8, generation: u8| {
        let patch = format!(r#"{{"spec":{{"maxActive":{most}}}}}"#);
        let command = ["patch", "oxb", BUDGET, "--type", "merge", "-p", &patch];
        environment.kubectl(&command).await?;
        let observed = format!("--for=jsonpath={{.status.observedGeneration}}={generation}");
        let command = ["wait", &observed, "--timeout=60s", "oxb", BUDGET];
        environment.kubectl(&command).await
    };
    limit(environment, 1, 2).await?;
    let patch = r#"{"spec":{"state":"active"}}"#;
    let command = ["patch", "oxm", REFUSED, "--type", "merge", "-p", patch];
    environment.kubectl(&command).await?;
    await_reason(environment, table, "BudgetExceeded").await?;
    print_message(environment, REFUSED).await?;
    let budgets = environment.kubectl(&["get", "oxb"]).await?;
    environment.console.print(&budgets);
    limit(environment, 5, 3).await?;
    await_reason(environment, table, "Active").await
}

async fn await_reason(
    environment: &mut Environment,
    table: &mut Table,
    reason: &str,
) -> Result<()> {
    let unmet = |objects: &[Object]| {
        let mut all = objects.iter();
        if all.any(|object| object.name == REFUSED && object.has_reason(reason)) {
            return Vec::new();
        }
        vec![format!("{REFUSED} has not reached the reason {reason}")]
    };
    table.print_until(environment, unmet).await
}

fn whole_second(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

/// The first full minute after this time.
fn next_minute(after: Timestamp) -> Timestamp {
    let second = after.as_second();
    Timestamp::from_second(second + (60 - second.rem_euclid(60))).unwrap_or(after)
}

async fn delete_objects(environment: &mut Environment, table: &mut Table) -> Result<()> {
    for (name, model, expected) in [
        (TOGGLED, TOGGLED_MODEL, "inactive"),
        (RETAINED, RETAINED_MODEL, "active"),
    ] {
        environment
            .kubectl(&["delete", "oxm", name, "--wait=false"])
            .await?;
        let unmet = |objects: &[Object]| {
            if objects.iter().all(|object| object.name != name) {
                return Vec::new();
            }
            vec![format!("{name} still exists")]
        };
        table.print_until(environment, unmet).await?;
        let live = environment.hub.live(model)?.join(", ");
        environment.console.print_timed(&format!(
            "the OxenModel {name} is deleted, and the live status of the model {model} is {live}"
        ));
        if live != expected {
            return Err(format!("the live status of {model} should be {expected}").into());
        }
    }
    Ok(())
}

/// Waits until the operator reports the model that the deleted object has left active. It has
/// reported the model `before` times before the deletion.
async fn find_unmanaged(environment: &Environment, before: usize) -> Result<()> {
    let deadline = Instant::now() + TIMEOUT;
    while environment.operator.count_logged(&REPORTED) == before {
        if Instant::now() > deadline {
            return Err(format!("the operator has not reported the model {RETAINED_MODEL}").into());
        }
        sleep(POLL_INTERVAL).await;
    }
    environment.console.print_timed(&format!(
        "the operator reports the model {RETAINED_MODEL}, which is active and in no OxenModel now, \
         in its log and in its metrics"
    ));
    Ok(())
}

fn summary(environment: &Environment, samples: usize) -> String {
    let calls = environment.hub.journal().posts().len();
    let seconds = environment.console.elapsed().as_secs();
    format!(
        "\nIn {seconds} s, {samples} samples reached the reasons in their files. The operator activated {TOGGLED}, \
         deactivated it, activated it again, and deactivated it when it was deleted. An override of {} s turned {OVERRIDDEN} on \
         and off again, and a window of its schedule turned {SCHEDULED} on. A budget refused to activate {REFUSED} until its limit was raised.\n\
         The operator made {calls} activate and deactivate calls. It made none for the suspended model, and left the \
         retained model active. It reports that model, because no object manages it any more.\n\
         Next: `make test` runs the tests, README.md has the documentation, and `make demo-up` keeps this running for \
         your own kubectl, and for the plugin:\n\
         \x20   kubectl oxen status\n\
         \x20   kubectl oxen on demo-bot --for 2m --wait",
        OVERRIDE.as_secs()
    )
}

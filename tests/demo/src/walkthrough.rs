//! The walkthrough of `make demo`: the samples reach the reasons in their files, one model is
//! deactivated and activated again, and two objects are deleted.

use crate::Result;
use crate::console::Console;
use crate::environment::{Environment, Paths};
use crate::sample::Sample;
use crate::table::{Object, Table};

/// The object that the walkthrough deactivates, activates and deletes.
const TOGGLED: &str = "support-bot";
const TOGGLED_MODEL: &str = "support-bot-v2";

/// The object that the walkthrough deletes and that has `deletionPolicy: Retain`.
const RETAINED: &str = "invoice-reader";
const RETAINED_MODEL: &str = "invoice-reader";

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
    toggle_model(&mut environment, &mut table).await?;
    delete_objects(&mut environment, &mut table).await?;
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
    let jsonpath = "-o=jsonpath={.status.conditions[?(@.type==\"Ready\")].message}{\"\\n\"}";
    let message = environment
        .kubectl(&["get", "oxm", MISSPELLED, jsonpath])
        .await?;
    console.print(&format!("    {message}"));
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

fn summary(environment: &Environment, samples: usize) -> String {
    let calls = environment.hub.journal().posts().len();
    let seconds = environment.console.elapsed().as_secs();
    format!(
        "\nIn {seconds} s, {samples} samples reached the reasons in their files. The operator activated {TOGGLED}, \
         deactivated it, activated it again, and deactivated it when it was deleted.\n\
         The operator made {calls} activate and deactivate calls. It made none for the suspended model, and left the \
         retained model active.\n\
         Next: `make demo-up` keeps this running for your own kubectl, `make test` runs the tests, and README.md has \
         the documentation."
    )
}

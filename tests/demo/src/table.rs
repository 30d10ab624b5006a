//! The table of OxenModels, which is printed while the demo waits for a state.

use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::time::sleep;

use crate::Result;
use crate::environment::Environment;

/// The poll interval. Each poll runs kubectl twice.
pub(crate) const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// The time limit of one wait. Most waits take seconds.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(90);

/// The name of an OxenModel, and its condition `Ready`.
pub(crate) struct Object {
    pub(crate) name: String,
    reason: String,
    pub(crate) message: String,
    /// Whether the status is about the current generation.
    is_current: bool,
}

impl Object {
    /// Whether `Ready` has this reason for the current generation.
    pub(crate) fn has_reason(&self, reason: &str) -> bool {
        self.is_current && self.reason == reason
    }

    fn parse(item: &Value) -> Self {
        let status = &item["status"];
        let ready = status["conditions"]
            .as_array()
            .and_then(|all| all.iter().find(|condition| condition["type"] == "Ready"))
            .unwrap_or(&Value::Null);
        let string = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Self {
            name: string(&item["metadata"]["name"]),
            reason: string(&ready["reason"]),
            message: string(&ready["message"]),
            is_current: item["metadata"]["generation"] == status["observedGeneration"],
        }
    }
}

/// A printer of the table, which remembers what it printed last.
pub(crate) struct Table {
    last: String,
}

impl Table {
    pub(crate) fn new() -> Self {
        Self {
            last: String::new(),
        }
    }

    /// Polls the objects, and prints the table whenever it changes, until `unmet` returns no unmet
    /// expectations.
    pub(crate) async fn print_until(
        &mut self,
        environment: &mut Environment,
        unmet: impl Fn(&[Object]) -> Vec<String>,
    ) -> Result<()> {
        let deadline = Instant::now() + TIMEOUT;
        loop {
            let objects = get_objects(environment).await?;
            // The table is read after the objects, so that it shows the state that ends the wait.
            self.print_if_changed(environment).await?;
            let unmet = unmet(&objects);
            if unmet.is_empty() {
                return Ok(());
            }
            if let Some(status) = environment.operator.exited() {
                print_diagnostics(environment).await;
                return Err(format!("the operator exited ({status})").into());
            }
            if Instant::now() > deadline {
                print_diagnostics(environment).await;
                let (seconds, unmet) = (TIMEOUT.as_secs(), unmet.join("; "));
                return Err(format!("timed out after {seconds} s: {unmet}").into());
            }
            sleep(POLL_INTERVAL).await;
        }
    }

    async fn print_if_changed(&mut self, environment: &Environment) -> Result<()> {
        let table = environment.cluster.kubectl(&["get", "oxenmodels"]);
        let table = table.await?.ok()?;
        let current = without_ages(&table.stdout);
        if current != self.last && !current.is_empty() {
            environment.console.print_timed("$ kubectl get oxenmodels");
            environment.console.print(&indented(&table.stdout));
            self.last = current;
        }
        Ok(())
    }
}

async fn get_objects(environment: &Environment) -> Result<Vec<Object>> {
    let list = environment
        .cluster
        .kubectl(&["get", "oxenmodels", "-o", "json"]);
    let list: Value = serde_json::from_str(&list.await?.ok()?.stdout)?;
    let items = list["items"].as_array().map(Vec::as_slice);
    Ok(items
        .unwrap_or_default()
        .iter()
        .map(Object::parse)
        .collect())
}

/// Removes the last two columns, which contain ages and so change all the time.
fn without_ages(table: &str) -> String {
    let header = table.lines().next().unwrap_or_default();
    let width = header.find("SINCE").unwrap_or(header.len());
    let cut = |line: &str| line.chars().take(width).collect::<String>();
    table.lines().map(cut).collect::<Vec<_>>().join("\n")
}

fn indented(text: &str) -> String {
    let lines = text.lines().map(|line| format!("    {line}"));
    lines.collect::<Vec<_>>().join("\n")
}

/// Prints what helps to find the cause of a failure.
async fn print_diagnostics(environment: &Environment) {
    const CONDITIONS: &str = r#"-o=jsonpath={range .items[*]}{.metadata.name}{"\n"}{range .status.conditions[*]}  {.type}={.status} {.reason}: {.message}{"\n"}{end}{end}"#;
    for arguments in [
        &["get", "oxenmodels", "-o", "wide"][..],
        &["get", "oxenmodels", CONDITIONS],
    ] {
        if let Ok(output) = environment.cluster.kubectl(arguments).await {
            let text = format!("{}{}", output.stdout, output.stderr);
            environment.console.print(&indented(&text));
        }
    }
    environment.console.print("The end of the operator's log:");
    let log = environment.operator.log_tail(30);
    environment.console.print(&indented(&log));
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
NAME   DESIRED   LIVE     READY   REASON   SINCE   AGE
bot    active    active   True    Active   3s      9s
typo                                               1s
";

    #[test]
    fn ages_do_not_count_as_a_change_of_the_table() {
        let later = TABLE.replace("3s      9s", "4s      10s");
        assert_ne!(TABLE, later);
        assert_eq!(without_ages(TABLE), without_ages(&later));
        let other = TABLE.replace("True ", "False");
        assert_ne!(without_ages(TABLE), without_ages(&other));
    }

    #[test]
    fn reason_counts_only_for_the_current_generation() {
        let object = |observed: i64| {
            Object::parse(&serde_json::json!({
                "metadata": {"name": "bot", "generation": 2},
                "status": {
                    "observedGeneration": observed,
                    "conditions": [{"type": "Ready", "reason": "Active", "message": "m"}],
                },
            }))
        };
        assert!(object(2).has_reason("Active") && !object(1).has_reason("Active"));
    }
}

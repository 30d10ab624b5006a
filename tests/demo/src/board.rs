//! The tables that kubectl prints, and waiting for what they show.

use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::time::sleep;

use crate::Result;
use crate::stage::Stage;

/// Between two looks; each one costs two runs of kubectl.
const PAUSE: Duration = Duration::from_millis(250);

/// For each step of the show. Most take seconds.
const LIMIT: Duration = Duration::from_secs(90);

/// What an OxenModel shows.
pub(crate) struct Object {
    pub(crate) name: String,
    reason: String,
    pub(crate) message: String,
    /// The operator has seen the object as it is now.
    observed: bool,
}

impl Object {
    /// Whether `Ready` has come to this reason, for the object as it is now.
    pub(crate) fn is(&self, reason: &str) -> bool {
        self.observed && self.reason == reason
    }

    fn read(item: &Value) -> Self {
        let status = &item["status"];
        let ready = status["conditions"]
            .as_array()
            .and_then(|all| all.iter().find(|one| one["type"] == "Ready"))
            .unwrap_or(&Value::Null);
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Self {
            name: word(&item["metadata"]["name"]),
            reason: word(&ready["reason"]),
            message: word(&ready["message"]),
            observed: item["metadata"]["generation"] == status["observedGeneration"],
        }
    }
}

/// Prints the table whenever it has changed.
pub(crate) struct Board {
    last: String,
}

impl Board {
    pub(crate) fn new() -> Self {
        Self {
            last: String::new(),
        }
    }

    /// Shows the tables until nothing is missing from what is waited for.
    pub(crate) async fn until(
        &mut self,
        stage: &mut Stage,
        missing: impl Fn(&[Object]) -> Vec<String>,
    ) -> Result<()> {
        let deadline = Instant::now() + LIMIT;
        loop {
            let objects = objects(stage).await?;
            // Read after the objects, so that what they show has been on the table.
            self.show(stage).await?;
            let missing = missing(&objects);
            if missing.is_empty() {
                return Ok(());
            }
            if let Some(status) = stage.operator.ended() {
                explain(stage).await;
                return Err(format!("the operator ended ({status})").into());
            }
            if Instant::now() > deadline {
                explain(stage).await;
                let (seconds, missing) = (LIMIT.as_secs(), missing.join("; "));
                return Err(format!("not within {seconds} s: {missing}").into());
            }
            sleep(PAUSE).await;
        }
    }

    async fn show(&mut self, stage: &Stage) -> Result<()> {
        let table = stage.cluster.kubectl(&["get", "oxenmodels"]).await?.ok()?;
        let now = without_ages(&table.stdout);
        if now != self.last && !now.is_empty() {
            stage.voice.say("$ kubectl get oxenmodels");
            stage.voice.line(&indented(&table.stdout));
            self.last = now;
        }
        Ok(())
    }
}

async fn objects(stage: &Stage) -> Result<Vec<Object>> {
    let list = stage.cluster.kubectl(&["get", "oxenmodels", "-o", "json"]);
    let list: Value = serde_json::from_str(&list.await?.ok()?.stdout)?;
    let items = list["items"].as_array().map(Vec::as_slice);
    Ok(items.unwrap_or_default().iter().map(Object::read).collect())
}

/// Ages change by themselves, and are the last two columns.
fn without_ages(table: &str) -> String {
    let header = table.lines().next().unwrap_or_default();
    let width = header.find("SINCE").unwrap_or(header.len());
    let cut = |line: &str| line.chars().take(width).collect::<String>();
    table.lines().map(cut).collect::<Vec<_>>().join("\n")
}

pub(crate) fn indented(text: &str) -> String {
    let lines = text.lines().map(|line| format!("    {line}"));
    lines.collect::<Vec<_>>().join("\n")
}

/// What a person needs to find out why it didn't come to be.
async fn explain(stage: &Stage) {
    const CONDITIONS: &str = r#"-o=jsonpath={range .items[*]}{.metadata.name}{"\n"}{range .status.conditions[*]}  {.type}={.status} {.reason}: {.message}{"\n"}{end}{end}"#;
    for arguments in [
        &["get", "oxenmodels", "-o", "wide"][..],
        &["get", "oxenmodels", CONDITIONS],
    ] {
        if let Ok(said) = stage.cluster.kubectl(arguments).await {
            let words = format!("{}{}", said.stdout, said.stderr);
            stage.voice.line(&indented(&words));
        }
    }
    stage.voice.line("The end of the operator's log:");
    stage.voice.line(&indented(&stage.operator.log_tail(30)));
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
    fn a_table_has_not_changed_where_only_its_ages_have() {
        let later = TABLE.replace("3s      9s", "4s      10s");
        assert_ne!(TABLE, later);
        assert_eq!(without_ages(TABLE), without_ages(&later));
        let other = TABLE.replace("True ", "False");
        assert_ne!(without_ages(TABLE), without_ages(&other));
    }

    #[test]
    fn a_reason_counts_only_for_the_object_as_it_is_now() {
        let object = |observed: i64| {
            Object::read(&serde_json::json!({
                "metadata": {"name": "bot", "generation": 2},
                "status": {
                    "observedGeneration": observed,
                    "conditions": [{"type": "Ready", "reason": "Active", "message": "m"}],
                },
            }))
        };
        assert!(object(2).is("Active") && !object(1).is("Active"));
    }
}

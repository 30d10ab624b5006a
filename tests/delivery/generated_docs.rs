//! The pages of the documentation that are generated from the code. `make docs` writes them, and
//! these tests fail while one is stale.

use std::{env, fmt::Write, fs, time::Duration};

use clap::CommandFactory;
use oxen_operator::{
    api::OxenModel,
    config::Cli,
    decide::{Ownership, Plan, Progress, Ready, Rules, Subject, Verdict, unobserved},
    hub::{Endpoint, Outcome},
    metrics::Metrics,
};

use crate::tool::path;

const GENERATED: &str = "<!-- Generated from the code by `make docs`. Do not edit. -->";

/// Compares a page with what the code says, or writes it where `UPDATE_DOCS` is set.
fn check(page: &str, expected: &str) {
    let file = path(page);
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::write(file, expected).unwrap();
        return;
    }
    let found = fs::read_to_string(file).unwrap_or_default();
    assert!(found == expected, "{page} is stale: run `make docs`");
}

/// The paragraphs of a documentation comment, each on one line, for a cell of a table.
fn paragraphs(text: &str) -> Vec<String> {
    let lines = |paragraph: &str| paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
    text.split("\n\n")
        .map(|paragraph| lines(paragraph).replace('|', "\\|"))
        .collect()
}

fn reasons() -> String {
    let groups = [
        (
            "The model is in the desired state",
            "`Ready` is True.",
            Progress::None,
            true,
        ),
        (
            "The operator is working towards the desired state",
            "`Reconciling` is True. `Ready` is False, or Unknown where the table says so.",
            Progress::Reconciling,
            false,
        ),
        (
            "The object is suspended",
            "`Ready` is False, and there is neither `Reconciling` nor `Stalled`.",
            Progress::None,
            false,
        ),
        (
            "A person or a change is needed",
            "`Stalled` is True. `Ready` is False, or Unknown where the table says so. The operator \
             keeps polling.",
            Progress::Stalled,
            false,
        ),
    ];
    let mut page = format!(
        "# Reasons\n\n{GENERATED}\n\n\
         The reason of the condition `Ready` says in one word what the operator found. If the hub \
         did not\nanswer for this model with this key, the condition `Synced` is False, and its \
         reason says why.\nEvents and the metric `oxen_model_info` have the reason of `Synced` \
         while it is False, and the\nreason of `Ready` at all other times. The condition \
         `DeletionBlocked` is present, and True, while a\ndeletion waits for the hub or a \
         person.\n\n\
         \"Request a reconcile\" means: set the annotation `oxen.ai/reconcile-requested-at` to a \
         new value.\n[Troubleshooting](troubleshooting.md) has the steps for each reason.\n"
    );
    for (title, intro, progress, ready) in groups {
        let _ = write!(
            page,
            "\n## {title}\n\n{intro}\n\n| reason | Ready | Synced | meaning | what to do |\n\
             |---|---|---|---|---|\n"
        );
        for verdict in Verdict::ALL {
            let shown = verdict.presentation();
            let is_ready = shown.ready == Ready::True;
            if *verdict == Verdict::Released || shown.progress != progress || is_ready != ready {
                continue;
            }
            let meaning = paragraphs(verdict.meaning());
            assert!(!meaning[0].is_empty(), "{verdict:?} has no documentation");
            let _ = writeln!(
                page,
                "| `{}` | {} | {} | {} | {} |",
                shown.reason,
                match shown.ready {
                    Ready::True => "True",
                    Ready::False => "False",
                    Ready::Unknown => "Unknown",
                    Ready::Kept => "unchanged",
                },
                if shown.synced { "True" } else { "False" },
                meaning[0],
                meaning.get(1).map_or("", String::as_str),
            );
        }
    }
    let _ = write!(
        page,
        "\n## Events only\n\n| reason | meaning |\n|---|---|\n| `{}` | {} |\n\
         | `DeletionBlocked` | The deletion waits for the hub or a person. The condition \
         `DeletionBlocked` has its cause as reason. |\n",
        Verdict::Released.presentation().reason,
        paragraphs(Verdict::Released.meaning())[0],
    );
    page
}

fn configuration() -> String {
    let cli = Cli::command();
    let mut page = format!(
        "# Configuration\n\n{GENERATED}\n\n\
         Every setting of `oxen-operator run` has a flag and an environment variable; the flag has\n\
         precedence. Durations are written `30s`, `5m` or `1h30m`, and lists with commas.\n\
         `oxen-operator check` has the settings about the hub and the operator's own key. With the \
         Helm\nchart, set the chart's values instead.\n\n\
         | flag | environment variable | default | meaning |\n|---|---|---|---|\n"
    );
    let run = cli.find_subcommand("run").expect("it is a subcommand");
    for setting in run.get_arguments().filter(|setting| !setting.is_hide_set()) {
        let (Some(flag), Some(variable)) = (setting.get_long(), setting.get_env()) else {
            continue;
        };
        let default = setting.get_default_values().first();
        let default = default.map_or("none".to_owned(), |value| format!("`{}`", value.display()));
        let help = setting.get_long_help().or(setting.get_help()).unwrap();
        let _ = writeln!(
            page,
            "| `--{flag}` | `{}` | {default} | {}. |",
            variable.display(),
            paragraphs(&help.to_string())
                .join(" ")
                .trim_end_matches('.'),
        );
    }
    page + "| none | `OXEN_API_KEY` | none | The operator's own API key. It has no flag, because \
            other processes can read a process's arguments. |\n\
            | none | `RUST_LOG` | `info` | The level of the logs: `error`, `warn`, `info`, `debug` \
            or `trace`, also per module, such as `info,oxen_operator=debug`. |\n\
            | none | `TOKIO_WORKER_THREADS` | `2` | The number of worker threads. |\n"
}

/// The plan of an object that is not valid.
fn any_plan() -> Plan {
    let spec = serde_json::json!({"model": "", "state": "active"});
    let object = OxenModel::new("any", serde_json::from_value(spec).unwrap());
    let subject = Subject {
        object: &object,
        now: jiff::Timestamp::UNIX_EPOCH,
        rules: &Rules::default(),
        operation_id: String::new(),
        ownership: Ownership::Owned,
        agreement: oxen_operator::decide::Agreement::Agrees,
        crd_terminating: false,
    };
    unobserved(&subject).expect("an invalid spec needs nothing from the hub")
}

fn metrics() -> String {
    let metrics = Metrics::default();
    // Series whose labels are not a closed set exist only after their first event.
    let took = Duration::from_secs(1);
    metrics.hub_requested(Endpoint::List, Outcome::Code(200), took);
    metrics.hub_answered("team-a", "oxen-api-key");
    metrics.status_pruned(&["operation".to_owned()]);
    metrics.watch_added("oxenmodels", "team-a");
    metrics.reconciled(&any_plan(), took);
    let text = metrics.text().unwrap();
    let mut page = format!(
        "# Metrics\n\n{GENERATED}\n\n\
         `/metrics` has these metrics in Prometheus' text format. The metrics of each object end \
         with the\nobject. Scrape them with `honorLabels: true`, because `namespace` is the \
         object's.\n[Usage](usage.md) says what the counters of seconds and cost count.\n\n\
         | metric | type | meaning |\n|---|---|---|\n"
    );
    let mut help = "";
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = rest.split_once(' ').map_or("", |(_, help)| help);
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect("a type has a name");
            let help = help.trim_end_matches('.').replace('|', "\\|");
            let _ = writeln!(page, "| `{name}` | {kind} | {help}. |");
        }
    }
    page
}

#[test]
fn reasons_page_is_up_to_date() {
    check("docs/reasons.md", &reasons());
}

#[test]
fn configuration_page_is_up_to_date() {
    check("docs/configuration.md", &configuration());
}

#[test]
fn metrics_page_is_up_to_date() {
    check("docs/metrics.md", &metrics());
}

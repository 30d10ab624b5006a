//! Tests of `oxen-operator check` against the simulated hub, with the arguments of the pod of
//! `helm test`.

use std::process::{Command, Output};

use hub::{Endpoint, Fault, Hub};
use serde_json::Value;

use crate::{
    chart::{of_kind, rendered},
    tool::path,
};

/// Runs the program with the arguments of the test pod and this environment.
async fn check(environment: &[(&str, &str)]) -> Output {
    let pod = rendered(&serde_json::json!({})).await;
    let container = &of_kind(&pod, "Pod")[0]["spec"]["containers"][0];
    let arguments = container["args"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str);
    let mut program = Command::new(env!("CARGO_BIN_EXE_oxen-operator"));
    program
        .args(arguments)
        .env_clear()
        .envs(environment.iter().copied());
    tokio::task::spawn_blocking(move || program.output().unwrap())
        .await
        .unwrap()
}

fn words(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

#[tokio::test]
async fn check_reports_a_bad_hub_or_key_and_changes_nothing() {
    let hub = Hub::builder().with_samples().start().await.unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, format!("{}\n", hub::KEY)).unwrap();
    let file = file.path().to_str().unwrap();
    let url = hub.url();
    let base = ("OXEN_BASE_URL", url.as_str());

    // The hub lists its models without a key, too.
    for key in [("OXEN_API_KEY_FILE", file), ("OXEN_API_KEY", hub::KEY)] {
        let good = check(&[base, key]).await;
        assert!(
            good.status.success() && words(&good).contains("the key is not proven"),
            "{}",
            words(&good)
        );
    }

    let (nowhere, wrong) = (path("no-such-file"), "not-a-valid-key");
    for (environment, says) in [
        (vec![base], "there is no API key"),
        (
            vec![base, ("OXEN_API_KEY_FILE", nowhere.to_str().unwrap())],
            "can't be read",
        ),
        (vec![base, ("OXEN_API_KEY", "two words")], "OXEN_API_KEY"),
        (
            vec![base, ("OXEN_API_KEY", wrong)],
            "doesn't accept the API key",
        ),
        (
            vec![
                ("OXEN_BASE_URL", "http://127.0.0.1:9"),
                ("OXEN_API_KEY", wrong),
            ],
            "can't be reached",
        ),
        (
            vec![("OXEN_BASE_URL", "hub"), ("OXEN_API_KEY", wrong)],
            "OXEN_BASE_URL",
        ),
        (
            vec![
                base,
                ("OXEN_API_KEY", wrong),
                ("OXEN_PROXY", "http://gate:pa/two words@host"),
            ],
            "OXEN_PROXY",
        ),
    ] {
        let bad = check(&environment).await;
        assert!(
            !bad.status.success() && words(&bad).contains(says),
            "{says}: {}",
            words(&bad)
        );
        assert!(
            !words(&bad).contains(wrong) && !words(&bad).contains("two words"),
            "{}",
            words(&bad)
        );
    }
    let refusing = Fault::error(401, "unauthenticated").skip(1).times(1);
    hub.inject(refusing.on(Endpoint::List));
    let proven = check(&[base, ("OXEN_API_KEY", hub::KEY)]).await;
    assert!(
        proven.status.success() && words(&proven).contains("accepts the API key"),
        "{}",
        words(&proven)
    );
    hub.clear_faults();
    hub.inject(Fault::html(502));
    let down = check(&[base, ("OXEN_API_KEY", hub::KEY)]).await;
    assert!(
        !down.status.success() && words(&down).contains("can't be reached"),
        "{}",
        words(&down)
    );
    let journal = hub.journal();
    assert_eq!(journal.posts().len(), 0);
    assert_eq!(journal.entries.len(), journal.count_all(Endpoint::List));
}

//! The file of certificate authorities changes while the operator runs.

use std::{fs, path::Path};

use hub::{Hub, Model};
use oxen_operator::api::OxenModel;
use serde_json::json;
use testkit::{
    tls::{Authority, TlsFront},
    world::{World, condition},
};

use crate::gated::spec;

/// Replaces a file in one step, as Kubernetes does for a mounted ConfigMap.
fn replace(file: &Path, content: &str) {
    let new = file.with_extension("new");
    fs::write(&new, content).unwrap();
    fs::rename(&new, file).unwrap();
}

#[tokio::test]
async fn a_changed_ca_file_needs_no_restart() {
    let world = World::new(Hub::builder().model(Model::custom("bot"))).await;
    let (old, new) = (Authority::default(), Authority::default());
    let front = TlsFront::start(&world.hub.url(), &old).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.crt");
    let path = file.to_str().unwrap();
    fs::write(&file, old.pem()).unwrap();
    let settings = [
        ("OXEN_BASE_URL", front.url.as_str()),
        ("OXEN_CA_FILE", path),
    ];
    let mut operator = world.operator_with(&settings);
    world.create("bot", spec("active")).await;
    world.until_reason("bot", "Active").await;

    // The hub has a certificate of another authority, and the file follows.
    front.restart_with(&new);
    world.request_reconcile("bot", "1").await;
    world.until_fault("bot", "HubUnreachable").await;
    replace(&file, &new.pem());
    let synced = |object: &OxenModel| {
        condition(object, "Synced").is_some_and(|synced| synced.status == "True")
    };
    world.until("bot", "synced", synced).await;

    // A file that can't be used is named, once, and changes nothing.
    replace(&file, "no certificate");
    let line = operator.until_logged("contains no certificate").await;
    assert!(
        line.contains(path) && line.contains("stay trusted"),
        "{line}"
    );
    fs::remove_file(&file).unwrap();
    let line = operator.until_logged("can't be read").await;
    assert!(
        line.contains(path) && line.contains("stay trusted"),
        "{line}"
    );
    front.restart_with(&new);
    world
        .edit("bot", json!({"model": "bot", "state": "inactive"}))
        .await;
    world.until_reason("bot", "Inactive").await;

    replace(&file, &old.pem());
    front.restart_with(&old);
    world.edit("bot", spec("active")).await;
    world.until_reason("bot", "Active").await;
    for words in ["contains no certificate", "can't be read"] {
        assert_eq!(
            operator.log().matches(words).count(),
            1,
            "{}",
            operator.log()
        );
    }
    assert!(!operator.has_exited());
    assert_eq!(world.calls("bot"), ["activate", "deactivate", "activate"]);
}

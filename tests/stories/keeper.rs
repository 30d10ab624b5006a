//! The keeper: a model is active while a process runs.

use std::{ffi::OsString, fs, path::PathBuf};

use cluster::Signal;
use hub::{Hub, Model};
use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use oxen_operator::api::{OVERRIDE_ANNOTATION, OxenModel};
use serde::Deserialize;
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::world::{Operator, World, eventually, status};

/// The keeper's processes of a world, which use the ServiceAccount of the example.
struct Keepers<'a> {
    world: &'a World,
    kubeconfig: PathBuf,
    _folder: TempDir,
}

impl<'a> Keepers<'a> {
    /// Applies the example.
    async fn new(world: &'a World) -> Self {
        let example = example().display().to_string();
        world
            .kubectl(&["apply", "-f", &example])
            .await
            .ok()
            .unwrap();
        let token = world.kubectl(&["create", "token", "chat"]).await;
        let token = token.ok().unwrap().stdout.trim().to_owned();
        let text = fs::read_to_string(world.cluster.kubeconfig()).unwrap();
        let mut config: Value = serde_json::from_str(&text).unwrap();
        config["users"][0]["user"] = json!({ "token": token });
        config["contexts"][0]["context"]["namespace"] = world.namespace.clone().into();
        let folder = tempfile::tempdir().unwrap();
        let kubeconfig = folder.path().join("kubeconfig");
        fs::write(&kubeconfig, config.to_string()).unwrap();
        Self {
            world,
            kubeconfig,
            _folder: folder,
        }
    }

    fn start(&self, arguments: &[&str]) -> Operator {
        let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
        let variables = [
            ("KUBECONFIG", self.kubeconfig.to_str().unwrap()),
            ("OXEN_LOG_FORMAT", "text"),
        ];
        let variables = variables.map(|(name, value)| (name.into(), value.into()));
        Operator::start(self.world.cluster, &arguments, &variables)
    }
}

fn example() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("examples/keeper/sidecar.yaml")
}

/// The arguments of the example's init container with this name.
fn arguments(container: &str) -> Vec<String> {
    let text = fs::read_to_string(example()).unwrap();
    let documents = serde_yaml::Deserializer::from_str(&text);
    let mut documents = documents.map(|document| Value::deserialize(document).unwrap());
    let deployment = documents.find(|it| it["kind"] == "Deployment").unwrap();
    let all = deployment["spec"]["template"]["spec"]["initContainers"].clone();
    let mut all = all.as_array().unwrap().iter();
    let found = all.find(|it| it["name"] == container).unwrap();
    serde_json::from_value(found["args"].clone()).unwrap()
}

fn words(arguments: &[String]) -> Vec<&str> {
    arguments.iter().map(String::as_str).collect()
}

fn annotation(object: &OxenModel) -> Option<String> {
    object.annotations().get(OVERRIDE_ANNOTATION).cloned()
}

async fn annotate(world: &World, value: &str) {
    let annotation = format!("{OVERRIDE_ANNOTATION}={value}");
    let arguments = ["annotate", "oxm", "chat-model", "--overwrite", &annotation];
    world.kubectl(&arguments).await.ok().unwrap();
}

async fn world() -> World {
    let bot = Model::custom("support-bot-v2").status("inactive");
    World::new(Hub::builder().model(bot)).await
}

#[tokio::test]
async fn the_example_keeps_its_model_active_with_the_rights_that_it_grants() {
    let world = world().await;
    let _operator = world.operator();
    let keepers = Keepers::new(&world).await;
    world.until_reason("chat-model", "Inactive").await;
    let mut ready = keepers.start(&words(&arguments("model-ready")));
    ready.until_logged("the desired state is not active").await;
    let mut keeper = keepers.start(&words(&arguments("keep-model")));
    assert_eq!(ready.exit_code().await, Some(0), "{}", ready.log());
    let object = world.get("chat-model").await;
    assert_eq!(status(&object).live.unwrap().to_string(), "active");
    let managers = object.managed_fields().iter();
    let managers: Vec<_> = managers.filter_map(|it| it.manager.as_deref()).collect();
    assert!(managers.contains(&"oxen-keeper"), "{managers:?}");

    keeper.signal(Signal::TERM);
    assert_eq!(keeper.exit_code().await, Some(0), "{}", keeper.log());
    let after = world.get("chat-model").await;
    assert_eq!(
        annotation(&after),
        annotation(&object),
        "it lapses at its end"
    );
    assert!(status(&after).override_in_force.is_some());
    assert_eq!(world.calls("support-bot-v2"), ["activate"]);

    // The Role names one object.
    let mut other = keepers.start(&["keep", "--model-object=other", "--wait=10s"]);
    let words = "Grant the pod's ServiceAccount get and patch on this OxenModel";
    other.until_logged(words).await;
    assert_eq!(other.exit_code().await, Some(1));
}

#[tokio::test]
async fn an_override_is_renewed_while_the_keeper_runs_and_then_lapses() {
    let world = world().await;
    let _operator = world.operator();
    let keepers = Keepers::new(&world).await;
    let flags = [
        "keep",
        "--model-object=chat-model",
        "--for=20s",
        "--renew=1s",
    ];
    let keeper = keepers.start(&flags);
    let first = world.until_reason("chat-model", "Active").await;
    let first = status(&first).override_in_force.unwrap();
    world
        .until("chat-model", "renewed", |object| {
            let in_force = status(object).override_in_force;
            in_force.is_some_and(|renewed| renewed.until.0 > first.until.0)
        })
        .await;
    keeper.kill();
    world.until_reason("chat-model", "Inactive").await;
    assert_eq!(world.calls("support-bot-v2"), ["activate", "deactivate"]);
}

#[tokio::test]
async fn a_person_has_the_last_word_until_the_keeper_is_started_again() {
    let world = world().await;
    let _operator = world.operator();
    let keepers = Keepers::new(&world).await;
    let flags = [
        "keep",
        "--model-object=chat-model",
        "--for=5m",
        "--renew=1s",
    ];
    let mut keeper = keepers.start(&flags);
    world.until_reason("chat-model", "Active").await;
    let end = Timestamp::now() + SignedDuration::from_hours(9);
    let off = format!("inactive until {end}");
    annotate(&world, &off).await;
    world.until_reason("chat-model", "Inactive").await;
    keeper.until_logged("left the override as it is").await;
    assert_eq!(annotation(&world.get("chat-model").await), Some(off));

    annotate(&world, "none").await;
    keeper.until_logged("somebody ended the override").await;
    assert!(!keeper.has_exited(), "nothing starts it again");
    assert_eq!(
        annotation(&world.get("chat-model").await).as_deref(),
        Some("none")
    );
    assert_eq!(world.calls("support-bot-v2"), ["activate", "deactivate"]);

    drop(keeper);
    let _again = keepers.start(&flags);
    eventually("the none is replaced", || async {
        let value = annotation(&world.get("chat-model").await)?;
        value.starts_with("active until").then_some(())
    })
    .await;
    world.until_reason("chat-model", "Active").await;
}

//! The way to the API server: proxies, certificates and credential plugins.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use cluster::{Gate, Output, StatusCode};
use hub::{Hub, Model};
use oxen_operator::api::OxenModel;
use serde_json::json;
use testkit::{
    tls::{Authority, TlsFront},
    world::{World, eventually},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
};

use crate::{bash, fails, oxen, steer::annotation};

/// A proxy that leads every CONNECT to one server, and counts them.
struct Proxy {
    url: String,
    count: Arc<AtomicUsize>,
}

impl Proxy {
    async fn open(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let count = Arc::new(AtomicUsize::new(0));
        let counted = count.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(tunnel(client, server.clone()));
            }
        });
        Self { url, count }
    }

    fn used(&self) -> bool {
        self.count.swap(0, Ordering::SeqCst) > 0
    }
}

async fn tunnel(mut client: TcpStream, server: String) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await?);
    }
    let mut server = TcpStream::connect(server).await?;
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}

#[tokio::test]
async fn a_proxy_is_used_where_kubectl_uses_it() {
    let world = World::new(Hub::builder()).await;
    let url = world.cluster.url();
    let address = url.trim_start_matches("https://").to_owned();
    let port = address.rsplit(':').next().unwrap().to_owned();
    let proxy = Proxy::open(address).await;
    let through = proxy.url.clone();
    let folder = tempfile::tempdir().unwrap();
    let named = folder.path().join("named").display().to_string();
    let own = folder.path().join("own").display().to_string();
    let set = "kubectl config set-cluster cluster --tls-server-name=127.0.0.1";
    let script = format!(
        "cp $KUBECONFIG {named}; cp $KUBECONFIG {own}\n\
         KUBECONFIG={named} {set} --server=https://api.invalid:{port} >/dev/null\n\
         KUBECONFIG={own} {set} --proxy-url={through} >/dev/null"
    );
    bash(world.cluster, &script).await.ok().unwrap();
    // The name api.invalid is known to nobody, so only the proxy leads there.
    for (variables, config, used, answered) in [
        (format!("HTTPS_PROXY={through}"), "$KUBECONFIG", false, true),
        (format!("HTTPS_PROXY={through}"), &named, true, true),
        (format!("https_proxy={through}"), &named, true, true),
        (
            format!("HTTPS_PROXY={through} NO_PROXY=api.invalid"),
            &named,
            false,
            false,
        ),
        (format!("ALL_PROXY={through}"), &named, false, false),
        (
            format!("HTTPS_PROXY={through} NO_PROXY=10.0.0.0/8,"),
            &named,
            true,
            true,
        ),
        ("NO_PROXY=10.0.0.0/8,".into(), "$KUBECONFIG", false, true),
        ("NO_PROXY=127.0.0.1".into(), &own, true, true),
    ] {
        for command in ["get --raw /version", "oxen status"] {
            // An answer is waited for, however long it takes.
            let limit = if answered { "" } else { "--request-timeout=5s" };
            let script = format!(
                "export KUBECONFIG={config} {variables}\n\
                 kubectl {command} -n {} {limit}",
                world.namespace
            );
            let output = bash(world.cluster, &script).await;
            assert_eq!(proxy.used(), used, "{variables} {command}: {output:?}");
            assert_eq!(
                output.status.success(),
                answered,
                "{variables} {command}: {output:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_servers_own_certificate_is_no_authority() {
    let world = World::new(Hub::builder()).await;
    let folder = tempfile::tempdir().unwrap();
    let leaf = folder.path().join("leaf.pem").display().to_string();
    let certificate = world.cluster.folder().join("certs/apiserver.crt");
    let script = format!(
        "sed '/END CERTIFICATE/q' {} >{leaf}\n\
         kubectl get --raw /version --certificate-authority={leaf} >/dev/null && echo accepted",
        certificate.display()
    );
    let kubectl = bash(world.cluster, &script).await;
    assert_eq!(kubectl.stdout, "accepted\n", "{kubectl:?}");
    fails(
        &oxen(&world, &format!("status --certificate-authority {leaf}")).await,
        1,
        "error: the certificate authority that the kubeconfig has for cluster cluster holds the \
         server's own certificate. Replace it with its issuer's certificate (kubectl accepts \
         both).",
    );
}

/// A kubeconfig in this folder whose user `eks` gets its credentials from this command.
fn with_plugin(from: &Path, folder: &Path, command: &str) -> String {
    let config = fs::read_to_string(from).unwrap();
    let mut config: serde_json::Value = serde_json::from_str(&config).unwrap();
    config["users"] = json!([{"name": "eks", "user": {"exec": {
        "apiVersion": "client.authentication.k8s.io/v1", "command": command,
        "args": ["SECRET"], "env": [{"name": "A", "value": "SECRET"}],
        "interactiveMode": "IfAvailable", "installHint": "brew install x",
    }}}]);
    config["contexts"][0]["context"]["user"] = json!("eks");
    let path = folder.join("config");
    fs::write(&path, config.to_string()).unwrap();
    path.display().to_string()
}

/// A credential plugin in this folder: it counts its runs, and then does this.
fn plugin(folder: &Path, script: &str) -> String {
    use std::os::unix::fs::PermissionsExt;
    let path = folder.join("helper");
    let runs = folder.join("runs");
    let text = format!("#!/bin/sh\necho run >>{}\n{script}\n", runs.display());
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path.display().to_string()
}

fn runs(folder: &Path) -> usize {
    let runs = fs::read_to_string(folder.join("runs")).unwrap_or_default();
    runs.lines().count()
}

#[tokio::test]
async fn a_credential_plugin_that_fails_is_named_and_its_words_are_nowhere() {
    let world = World::new(Hub::builder()).await;
    let folder = tempfile::tempdir().unwrap();
    let failing = plugin(folder.path(), "echo SECRET; exit 1");
    for (command, error, ran) in [
        (
            "absent",
            "error: user \"eks\" of the kubeconfig gets its credentials from \"absent\", which is \
             not on PATH. brew install x"
                .to_owned(),
            0,
        ),
        (
            failing.as_str(),
            format!("error: \"{failing}\" gave no credentials for user \"eks\": exit status 1."),
            1,
        ),
    ] {
        let from = world.cluster.kubeconfig();
        let config = with_plugin(from, folder.path(), command);
        let script = format!("KUBECONFIG={config} kubectl oxen status");
        let output = bash(world.cluster, &script).await;
        fails(&output, 1, &error);
        assert_eq!(runs(folder.path()), ran);
    }
}

#[tokio::test]
async fn the_words_of_a_credential_plugin_are_shown_except_to_completion() {
    let world = World::new(Hub::builder()).await;
    let folder = tempfile::tempdir().unwrap();
    let asking = plugin(
        folder.path(),
        "echo 'Open https://login.example' >&2\n\
         echo '{\"kind\": \"ExecCredential\", \"status\": {\"token\": \"t\"}}'",
    );
    let config = with_plugin(world.cluster.kubeconfig(), folder.path(), &asking);
    for (command, shown) in [("status", true), ("__complete status ''", false)] {
        let before = runs(folder.path());
        let script = format!("KUBECONFIG={config} kubectl oxen {command}");
        let output = bash(world.cluster, &script).await;
        assert_eq!(runs(folder.path()), before + 1, "{command}: {output:?}");
        let words = output.stderr.contains("Open https://login.example\n");
        assert_eq!(words, shown, "{command}: {output:?}");
    }
}

/// A TLS server in front of the gate, and a kubeconfig in this folder that leads to it. Without TLS,
/// a credential plugin does not run.
pub async fn with_tls(gate: &Gate, folder: &Path) -> (TlsFront, PathBuf) {
    let config = fs::read_to_string(gate.kubeconfig()).unwrap();
    let mut config: serde_json::Value = serde_json::from_str(&config).unwrap();
    let authority = Authority::default();
    let cluster = &mut config["clusters"][0]["cluster"];
    let front = TlsFront::start(cluster["server"].as_str().unwrap(), &authority).await;
    let file = folder.join("ca.pem");
    fs::write(&file, authority.pem()).unwrap();
    *cluster = json!({"server": front.url, "certificate-authority": file});
    let path = folder.join("gate");
    fs::write(&path, config.to_string()).unwrap();
    (front, path)
}

/// Waits for an override of an object that no operator has seen yet, through the gate and with a
/// credential plugin.
async fn wait_with_plugin(world: &World, gate: &Gate, folder: &Path) -> Output {
    let token = "echo '{\"kind\": \"ExecCredential\", \"status\": {\"token\": \"t\"}, \
                 \"apiVersion\": \"client.authentication.k8s.io/v1\"}'";
    let helper = plugin(folder, token);
    let (_front, from) = with_tls(gate, folder).await;
    let config = with_plugin(&from, folder, &helper);
    let script = format!(
        "KUBECONFIG={config} kubectl oxen on bot -n {} --for 2h --wait --timeout 3m </dev/null",
        world.namespace
    );
    bash(world.cluster, &script).await
}

/// A world with an inactive model, its object, and no operator yet.
async fn inactive() -> (World, Gate) {
    let bot = Model::custom("bot").status("inactive");
    let world = World::new(Hub::builder().model(bot)).await;
    let spec = json!({"model": "bot", "state": "inactive"});
    world.create("bot", spec).await;
    let gate = world.cluster.gate().await.unwrap();
    (world, gate)
}

#[tokio::test]
async fn credentials_that_expire_during_a_wait_are_renewed() {
    let (world, gate) = inactive().await;
    gate.refuse_once("GET", "watch=true", StatusCode::UNAUTHORIZED);
    let folder = tempfile::tempdir().unwrap();
    let operated = async {
        eventually("the second run of the plugin", || async {
            (runs(folder.path()) == 2).then_some(())
        })
        .await;
        world.operator()
    };
    let waited = wait_with_plugin(&world, &gate, folder.path());
    let (waited, _operator) = tokio::join!(waited, operated);
    assert_eq!(waited.status.code(), Some(0), "{waited:?}");
    assert_eq!(runs(folder.path()), 2);
}

#[tokio::test]
async fn a_wait_lists_again_where_a_version_is_too_old_to_be_watched() {
    let (world, gate) = inactive().await;
    gate.refuse("GET", "watch=true", StatusCode::GONE);
    let folder = tempfile::tempdir().unwrap();
    let operated = async {
        let requested = |bot: &OxenModel| annotation(bot).is_some();
        world.until("bot", "requested", requested).await;
        world.operator()
    };
    let waited = wait_with_plugin(&world, &gate, folder.path());
    let (waited, _operator) = tokio::join!(waited, operated);
    assert_eq!(waited.status.code(), Some(0), "{waited:?}");
    assert!(!waited.stderr.contains("connection lost"), "{waited:?}");
}

#[tokio::test]
async fn credentials_that_expire_while_objects_are_watched_are_renewed() {
    let (world, gate) = inactive().await;
    gate.refuse_once("GET", "watch=true", StatusCode::UNAUTHORIZED);
    let folder = tempfile::tempdir().unwrap();
    let token = "echo words >&2\n\
                 echo '{\"kind\": \"ExecCredential\", \"status\": {\"token\": \"t\"}}'";
    let helper = plugin(folder.path(), token);
    let (_front, from) = with_tls(&gate, folder.path()).await;
    let config = with_plugin(&from, folder.path(), &helper);
    let pid = folder.path().join("pid").display().to_string();
    let script = format!(
        "KUBECONFIG={config} kubectl oxen status -w -n {} & pid=$!\n\
         echo $pid >{pid}; wait $pid; echo $?",
        world.namespace
    );
    let steps = async {
        eventually("the second run of the plugin", || async {
            (runs(folder.path()) == 2).then_some(())
        })
        .await;
        let end = format!("while kill -INT $(cat {pid}) 2>/dev/null; do sleep 0.05; done");
        bash(world.cluster, &end).await.ok().unwrap();
    };
    let (output, ()) = tokio::join!(bash(world.cluster, &script), steps);
    assert!(output.stdout.ends_with("130\n"), "{output:?}");
    assert!(!output.stderr.contains("connection lost"), "{output:?}");
    // The second run has no part of the screen.
    assert_eq!(output.stderr.matches("words\n").count(), 1, "{output:?}");
    assert_eq!(runs(folder.path()), 2);
}

#[tokio::test]
async fn credentials_that_are_refused_again_end_a_wait() {
    let (world, gate) = inactive().await;
    gate.refuse("GET", "watch=true", StatusCode::UNAUTHORIZED);
    let folder = tempfile::tempdir().unwrap();
    let refused = wait_with_plugin(&world, &gate, folder.path()).await;
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    let words = "does not accept the credentials of user \"eks\"";
    assert!(refused.stderr.contains(words), "{}", refused.stderr);
    assert!(!refused.stderr.contains("SECRET"), "{}", refused.stderr);
    assert_eq!(runs(folder.path()), 2);
}

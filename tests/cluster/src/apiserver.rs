//! The API server: its files and flags, and how it is seen to be ready.

use crate::folder::Folder;
use crate::user::{User, write_tokens};
use crate::{Error, Result, etcd};
use rcgen::KeyPair;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

/// What it wants to hear from itself, and the namespace that tests use first: it is made after `/readyz` says ok.
const READY: [&str; 2] = ["/readyz", "/api/v1/namespaces/default"];

/// Between two looks. A look is cheap, and a start takes seconds.
const PAUSE: Duration = Duration::from_millis(20);

/// The certificate that it makes for itself, with the authority that signed it.
pub(crate) fn certificate(folder: &Folder) -> PathBuf {
    folder.join("certs/apiserver.crt")
}

/// Where it writes a line for each request.
pub(crate) fn request_log(folder: &Folder) -> PathBuf {
    folder.join("requests.jsonl")
}

/// Writes what the flags point to, and returns the flags but for the port's, which a taken port changes.
pub(crate) fn prepare(folder: &Folder, users: &[User], extra: &[String]) -> Result<Vec<String>> {
    let key = KeyPair::generate()?;
    folder.write("service-account.key", key.serialize_pem())?;
    folder.write("service-account.pub", key.public_key_pem())?;
    folder.write("audit-policy.yaml", include_str!("audit-policy.yaml"))?;
    write_tokens(folder, users)?;
    let log = format!("--audit-log-path={}", request_log(folder).display());
    let etcd = format!("--etcd-servers={}", etcd::ENDPOINT);
    let flags = [
        etcd.as_str(),
        "--bind-address=127.0.0.1",
        // Nobody goes there. Looking for the machine's own address fails on one without a network.
        "--advertise-address=192.0.2.1",
        "--endpoint-reconciler-type=none",
        "--cert-dir=certs",
        "--token-auth-file=tokens.csv",
        "--authorization-mode=RBAC",
        "--service-cluster-ip-range=10.96.0.0/16",
        "--service-account-issuer=https://kubernetes.default.svc",
        "--service-account-key-file=service-account.pub",
        "--service-account-signing-key-file=service-account.key",
        // It waits for a controller manager to make each namespace's account, and there is none.
        "--disable-admission-plugins=ServiceAccount",
        "--audit-policy-file=audit-policy.yaml",
        log.as_str(),
        // Blocking: a request's line is there before its answer is complete. In megabytes: it is never rotated.
        "--audit-log-mode=blocking",
        "--audit-log-maxsize=100000",
    ];
    Ok(flags
        .into_iter()
        .map(str::to_owned)
        .chain(extra.iter().cloned())
        .collect())
}

/// The whole command line. The builder's flags come last, so that they win.
pub(crate) fn arguments(port: u16, flags: &[String]) -> Vec<OsString> {
    let port = format!("--secure-port={port}");
    [port].iter().chain(flags).map(OsString::from).collect()
}

/// Returns when somebody listens on the port.
pub(crate) async fn listens(port: u16) {
    while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
        sleep(PAUSE).await;
    }
}

/// Returns when it says that it is ready.
pub(crate) async fn ready(mut config: kube::Config) -> Result<()> {
    // Its "not yet" is an answer: a client that tries again by itself, ever more slowly, would find out late.
    config.default_retry = false;
    let client = kube::Client::try_from(config)?;
    for path in READY {
        while !answers(&client, path).await? {
            sleep(PAUSE).await;
        }
    }
    Ok(())
}

async fn answers(client: &kube::Client, path: &str) -> Result<bool> {
    let request = http::Request::get(path)
        .body(Vec::new())
        .map_err(kube::Error::HttpError)?;
    // A stopped clock or a lost packet must not hold one look for as long as the whole start may take.
    let answer = timeout(Duration::from_secs(2), client.request_text(request)).await;
    Ok(matches!(answer, Ok(Ok(_))))
}

/// Whether a start failed because another program was quicker to take the port.
pub(crate) fn port_was_taken(error: &Error) -> bool {
    matches!(error, Error::NotReady { log, .. } if log.contains("address already in use"))
}

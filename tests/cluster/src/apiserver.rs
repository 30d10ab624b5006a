//! The API server: its files, its flags and its readiness.

use crate::folder::Folder;
use crate::user::{User, write_tokens};
use crate::{Error, Result, etcd};
use rcgen::KeyPair;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

/// The paths that a ready API server serves. The namespace `default` is one of them because the API
/// server creates it after `/readyz` reports success.
const READY_PATHS: [&str; 2] = ["/readyz", "/api/v1/namespaces/default"];

/// The time between two readiness checks. A check is cheap, and a start takes seconds.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// The path of the certificate that the API server generates, with the authority that signed it.
pub(crate) fn certificate(folder: &Folder) -> PathBuf {
    folder.join("certs/apiserver.crt")
}

/// The path of the audit log, which has one line for each request.
pub(crate) fn request_log(folder: &Folder) -> PathBuf {
    folder.join("requests.jsonl")
}

/// Writes the files that the flags refer to, and returns the flags. They don't include the port,
/// because a start on a used port is repeated with another port.
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
        // No client connects to this address. Without the flag, the API server detects the
        // machine's address, which fails on a machine without a network.
        "--advertise-address=192.0.2.1",
        "--endpoint-reconciler-type=none",
        "--cert-dir=certs",
        "--token-auth-file=tokens.csv",
        "--authorization-mode=RBAC",
        "--service-cluster-ip-range=10.96.0.0/16",
        "--service-account-issuer=https://kubernetes.default.svc",
        "--service-account-key-file=service-account.pub",
        "--service-account-signing-key-file=service-account.key",
        // This plugin rejects pods until a controller manager has created the namespace's service
        // account, and there is no controller manager.
        "--disable-admission-plugins=ServiceAccount",
        "--audit-policy-file=audit-policy.yaml",
        log.as_str(),
        // In blocking mode, the log has the line before the response is complete. The maximum size
        // in megabytes is so large that the log is never rotated.
        "--audit-log-mode=blocking",
        "--audit-log-maxsize=100000",
    ];
    Ok(flags
        .into_iter()
        .map(str::to_owned)
        .chain(extra.iter().cloned())
        .collect())
}

/// Returns the complete command line. The builder's flags come last because the last flag of a name
/// takes effect.
pub(crate) fn arguments(port: u16, flags: &[String]) -> Vec<OsString> {
    let port = format!("--secure-port={port}");
    [port].iter().chain(flags).map(OsString::from).collect()
}

/// Waits until a process listens on the port.
pub(crate) async fn wait_until_listening(port: u16) {
    while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
        sleep(POLL_INTERVAL).await;
    }
}

/// Waits until the API server reports that it is ready.
pub(crate) async fn wait_until_ready(mut config: kube::Config) -> Result<()> {
    // The client's own retries back off, so they would notice the readiness late.
    config.default_retry = false;
    let client = kube::Client::try_from(config)?;
    for path in READY_PATHS {
        while !is_served(&client, path).await? {
            sleep(POLL_INTERVAL).await;
        }
    }
    Ok(())
}

async fn is_served(client: &kube::Client, path: &str) -> Result<bool> {
    let request = http::Request::get(path)
        .body(Vec::new())
        .map_err(kube::Error::HttpError)?;
    // One request that hangs must not use up the time limit of the whole start.
    let response = timeout(Duration::from_secs(2), client.request_text(request)).await;
    Ok(matches!(response, Ok(Ok(_))))
}

/// Whether a start failed because another program listens on the port.
pub(crate) fn port_is_used(error: &Error) -> bool {
    matches!(error, Error::NotReady { log, .. } if log.contains("address already in use"))
}

//! etcd, on a socket in the folder: no port, so nobody to meet there.

use crate::Result;
use crate::folder::Folder;
use crate::process::Process;
use std::ffi::OsString;
use std::path::Path;

/// As etcd and the API server both say it. Relative, for a socket's path can hold only a hundred bytes.
pub(crate) const ENDPOINT: &str = "unix://etcd.sock";

/// Starts it. The API server waits for it, so nobody else needs to.
pub(crate) fn start(folder: &Folder, program: &Path) -> Result<Process> {
    let arguments = [
        "--name=cluster",
        "--data-dir=etcd",
        "--listen-client-urls=unix://etcd.sock",
        "--advertise-client-urls=unix://etcd.sock",
        "--listen-peer-urls=unix://etcd-peer.sock",
        // The data ends with the folder: nothing has to survive a power cut.
        "--unsafe-no-fsync",
        // Alone, it elects itself; with the defaults that takes a second.
        "--heartbeat-interval=10",
        "--election-timeout=100",
        "--log-level=warn",
    ];
    Process::start(folder, "etcd", program, &arguments.map(OsString::from), &[])
}

//! etcd, which listens on a socket in the folder, so that it can't conflict over a port.

use crate::Result;
use crate::folder::Folder;
use crate::process::Process;
use std::ffi::OsString;
use std::path::Path;

/// The endpoint, in the form of both etcd's and the API server's flags. The path is relative
/// because the path of a socket is limited to about a hundred bytes.
pub(crate) const ENDPOINT: &str = "unix://etcd.sock";

/// Starts etcd without waiting until it is ready, because the API server waits for it.
pub(crate) fn start(folder: &Folder, program: &Path) -> Result<Process> {
    let arguments = [
        "--name=cluster",
        "--data-dir=etcd",
        "--listen-client-urls=unix://etcd.sock",
        "--advertise-client-urls=unix://etcd.sock",
        "--listen-peer-urls=unix://etcd-peer.sock",
        // The data is temporary, so it needn't survive a power failure.
        "--unsafe-no-fsync",
        // With the default values, the only member takes a second to elect itself.
        "--heartbeat-interval=10",
        "--election-timeout=100",
        // The default of 2 GiB is less than 100,000 objects and their earlier versions take.
        "--quota-backend-bytes=8589934592",
        "--log-level=warn",
    ];
    Process::start(folder, "etcd", program, &arguments.map(OsString::from), &[])
}

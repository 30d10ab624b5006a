//! No process and no folder of a cluster remains, whichever way the process that started it ends.
//!
//! Each test runs the program `start_cluster` with its own temporary folder, and ends it in a
//! different way.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use cluster::Cluster;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const READY: &str = "the cluster is ready";

/// A run of `start_cluster`, and the folder in which it creates its temporary folder.
struct ClusterOwner {
    program: Child,
    folder: TempDir,
}

impl ClusterOwner {
    fn start(mode: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let program = Command::new(env!("CARGO_BIN_EXE_start_cluster"))
            .arg(mode)
            .env("TMPDIR", folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // A shell gives each program a process group too, and Ctrl-C signals the whole group.
            .process_group(0)
            .spawn()
            .unwrap();
        Self { program, folder }
    }

    fn wait_until_ready(mut self) -> Self {
        let mut lines = BufReader::new(self.program.stdout.as_mut().unwrap()).lines();
        assert!(
            lines.any(|line| line.unwrap() == READY),
            "the program ended before its cluster was ready"
        );
        self
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.program.id().try_into().unwrap()).unwrap()
    }

    fn assert_cleaned_up(mut self) {
        self.program.wait().unwrap();
        let empty = || fs::read_dir(self.folder.path()).unwrap().next().is_none();
        wait_until(|| processes_in(self.folder.path()) == 0 && empty());
    }
}

fn wait_until(condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(
            Instant::now() < deadline,
            "the condition is still false after 30 s"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Counts the processes of a cluster by their working directory, which is the cluster's folder.
fn processes_in(folder: &Path) -> usize {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let folders = processes.filter_map(|process| fs::read_link(process.path().join("cwd")).ok());
    folders.filter(|cwd| cwd.starts_with(folder)).count()
}

#[test]
fn cluster_is_cleaned_up_after_kill() {
    let owner = ClusterOwner::start("wait").wait_until_ready();
    assert!(
        processes_in(owner.folder.path()) >= 2,
        "etcd and the API server don't run in the folder"
    );
    kill_process(owner.pid(), Signal::KILL).unwrap();
    owner.assert_cleaned_up();
}

#[test]
fn cluster_is_cleaned_up_after_kill_during_start() {
    let owner = ClusterOwner::start("wait");
    wait_until(|| processes_in(owner.folder.path()) > 0);
    kill_process(owner.pid(), Signal::KILL).unwrap();
    owner.assert_cleaned_up();
}

#[test]
fn cluster_is_cleaned_up_after_ctrl_c() {
    let owner = ClusterOwner::start("wait").wait_until_ready();
    kill_process_group(owner.pid(), Signal::INT).unwrap();
    owner.assert_cleaned_up();
}

#[test]
fn cluster_is_cleaned_up_after_panic() {
    ClusterOwner::start("panic")
        .wait_until_ready()
        .assert_cleaned_up();
}

#[test]
fn static_cluster_is_cleaned_up_after_process_exit() {
    ClusterOwner::start("exit")
        .wait_until_ready()
        .assert_cleaned_up();
}

#[tokio::test]
async fn drop_returns_after_the_cluster_is_cleaned_up() {
    let cluster = Cluster::start().await.unwrap();
    let folder = cluster.folder().to_owned();
    assert_eq!(cluster.pids().len(), 2);
    drop(cluster);
    assert!(!folder.exists());
    assert_eq!(processes_in(&folder), 0);
}

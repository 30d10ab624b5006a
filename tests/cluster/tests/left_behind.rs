//! Nothing is left behind, however the process ends that started a cluster: no process and no folder.
//!
//! Each test starts a program that holds a cluster, with a temporary folder of its own, and ends it in its way.
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

const READY: &str = "the cluster is up";

/// The second program, and the folder in which it makes its own.
struct Holder {
    program: Child,
    folder: TempDir,
}

impl Holder {
    fn start(role: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let program = Command::new(env!("CARGO_BIN_EXE_holder"))
            .arg(role)
            .env("TMPDIR", folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // A group of its own, as a shell gives to what it starts: Ctrl-C goes to all of it.
            .process_group(0)
            .spawn()
            .unwrap();
        Self { program, folder }
    }

    fn until_ready(mut self) -> Self {
        let mut lines = BufReader::new(self.program.stdout.as_mut().unwrap()).lines();
        assert!(
            lines.any(|line| line.unwrap() == READY),
            "the program ended before its cluster was up"
        );
        self
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.program.id().try_into().unwrap()).unwrap()
    }

    fn nothing_is_left(mut self) {
        self.program.wait().unwrap();
        let empty = || fs::read_dir(self.folder.path()).unwrap().next().is_none();
        until(|| processes_in(self.folder.path()) == 0 && empty());
    }
}

fn until(condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < deadline, "still not so after 30 s");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// All that a cluster starts works in its folder.
fn processes_in(folder: &Path) -> usize {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let folders = processes.filter_map(|process| fs::read_link(process.path().join("cwd")).ok());
    folders.filter(|cwd| cwd.starts_with(folder)).count()
}

#[test]
fn after_a_kill_nothing_is_left() {
    let holder = Holder::start("wait").until_ready();
    assert!(
        processes_in(holder.folder.path()) >= 2,
        "or there is nothing to see here"
    );
    kill_process(holder.pid(), Signal::KILL).unwrap();
    holder.nothing_is_left();
}

#[test]
fn after_a_kill_in_the_middle_of_a_start_nothing_is_left() {
    let holder = Holder::start("wait");
    until(|| processes_in(holder.folder.path()) > 0);
    kill_process(holder.pid(), Signal::KILL).unwrap();
    holder.nothing_is_left();
}

#[test]
fn after_ctrl_c_nothing_is_left() {
    let holder = Holder::start("wait").until_ready();
    kill_process_group(holder.pid(), Signal::INT).unwrap();
    holder.nothing_is_left();
}

#[test]
fn after_a_panic_nothing_is_left() {
    Holder::start("panic").until_ready().nothing_is_left();
}

#[test]
fn after_the_end_of_a_process_that_never_dropped_its_cluster_nothing_is_left() {
    Holder::start("end").until_ready().nothing_is_left();
}

#[tokio::test]
async fn after_a_drop_nothing_is_left_at_once() {
    let cluster = Cluster::start().await.unwrap();
    let folder = cluster.folder().to_owned();
    assert_eq!(cluster.pids().len(), 2);
    drop(cluster);
    assert!(!folder.exists());
    assert_eq!(processes_in(&folder), 0);
}

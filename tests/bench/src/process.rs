//! The process of a controller: start, stop, CPU time and memory.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ValueEnum;
use cluster::{Process, Signal};
use serde::Serialize;
use tokio::time::sleep;

use crate::Result;
use crate::scenario::Scenario;
use crate::world::World;

/// How long a process may take to start or to stop.
const PATIENCE: Duration = Duration::from_secs(30);

/// The unit of CPU times in `/proc`, which is the same on every Linux.
const TICKS_PER_SECOND: f64 = 100.0;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// The operator
    Operator,
    /// The least controller
    Least,
}

/// The program of a controller.
pub(crate) struct Program {
    pub(crate) kind: Kind,
    pub(crate) file: PathBuf,
}

impl Program {
    /// Finds the program. The operator's is beside the benchmark's, unless another one is given.
    pub(crate) fn find(kind: Kind, operator: Option<&Path>) -> Result<Self> {
        let own = std::env::current_exe()?;
        let file = match (kind, operator) {
            (Kind::Least, _) => own,
            (Kind::Operator, Some(file)) => file.canonicalize()?,
            (Kind::Operator, None) => own.with_file_name("oxen-operator"),
        };
        if !file.is_file() {
            return Err(format!("{} doesn't exist: run `make bench`", file.display()).into());
        }
        Ok(Self { kind, file })
    }

    fn arguments(&self, hub: &str, scenario: Scenario) -> Vec<OsString> {
        let hub = ["--base-url", hub];
        let mut arguments: Vec<OsString> = match self.kind {
            Kind::Least => vec!["least".into()],
            Kind::Operator => {
                // There is no other replica, and a new leader would wait before its first call.
                vec![
                    "run".into(),
                    "--leader-elect=false".into(),
                    "--listen=127.0.0.1:0".into(),
                ]
            }
        };
        arguments.extend(hub.map(OsString::from));
        if let (Kind::Operator, Some(rate)) = (self.kind, scenario.hub_rate()) {
            arguments.push(format!("--hub-rate={rate}").into());
        }
        arguments
    }
}

/// A running controller. It is killed when this value is dropped.
pub(crate) struct Controller {
    process: Process,
    pid: i32,
}

impl Controller {
    /// Starts a controller. The name is unique among those of the world.
    pub(crate) async fn start(program: &Program, world: &World, name: &str) -> Result<Self> {
        let arguments = program.arguments(&world.hub.url(), world.scenario);
        let kubeconfig = world.cluster.kubeconfig().as_os_str().to_owned();
        let environment = [(OsString::from("KUBECONFIG"), kubeconfig)];
        let cluster = &world.cluster;
        let mut process = cluster.run(name, &program.file, &arguments, &environment)?;
        let started = tokio::time::Instant::now();
        loop {
            if let Some(pid) = process.pid() {
                let pid = pid.as_raw_nonzero().get();
                return Ok(Self { process, pid });
            }
            if process.ended().is_some() || started.elapsed() > PATIENCE {
                return Err(format!("{name} did not start: {}", tail(&process)).into());
            }
            sleep(Duration::from_millis(1)).await;
        }
    }

    /// The CPU time of all threads since the start, in seconds.
    pub(crate) fn cpu(&self) -> Result<f64> {
        cpu(self.pid).map_err(|error| format!("{error}\n{}", tail(&self.process)).into())
    }

    /// The largest resident set since the start, in MiB.
    pub(crate) fn peak_memory(&self) -> Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.split_whitespace().next());
        Ok(kib.ok_or("no VmHWM")?.parse::<f64>()? / 1024.0)
    }

    /// Sends SIGTERM and waits until the process has ended.
    pub(crate) async fn stop(mut self) -> Result<()> {
        self.process.signal(Signal::TERM)?;
        let asked = tokio::time::Instant::now();
        while self.process.ended().is_none() {
            if asked.elapsed() > PATIENCE {
                return Err(format!("the controller did not stop: {}", tail(&self.process)).into());
            }
            sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }
}

/// The CPU time that a process has used, in seconds.
pub(crate) fn cpu(pid: i32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name in parentheses can contain spaces. The state, which follows it, is field 3; utime
    // and stime are fields 14 and 15.
    let fields = stat.rsplit_once(") ").ok_or("an unusual /proc/PID/stat")?.1;
    let times = fields.split(' ').skip(11).take(2);
    let ticks: f64 = times
        .map(|ticks| ticks.parse::<f64>().unwrap_or_default())
        .sum();
    Ok(ticks / TICKS_PER_SECOND)
}

fn tail(process: &Process) -> String {
    let log = process.log();
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(10)..].join("\n")
}

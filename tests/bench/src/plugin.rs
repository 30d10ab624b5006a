//! The kubectl plugin beside kubectl's own command, on the objects of a run.

use std::ffi::OsString;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::process::Command;

use crate::Result;
use crate::measure::{Measure, Run, percentile};
use crate::process::Program;
use crate::world::{NAMESPACE, World};

/// How often each command runs. The commands take turns, so that a busy moment is nobody's alone.
const TIMES: usize = 15;

/// Measures the plugin, which cargo builds beside the operator.
pub(crate) async fn measure(world: &World, program: &Program, run: &mut Run) -> Result<()> {
    let plugin = program.file.with_file_name("kubectl-oxen");
    if !plugin.is_file() {
        return Err(format!("{} doesn't exist: run `make bench`", plugin.display()).into());
    }
    let path = path_with(plugin.parent())?;
    let kubectl = |arguments: &[&str]| {
        let mut command = Command::from(world.cluster.kubectl_command());
        command.args(arguments).args(["-n", NAMESPACE]);
        command.env("PATH", &path);
        command
    };
    let mut help = Vec::new();
    let mut status = Vec::new();
    let mut get = Vec::new();
    for _ in 0..TIMES {
        let mut own = Command::new(&plugin);
        own.arg("--help");
        help.push(time(own).await?);
        status.push(time(kubectl(&["oxen", "status"])).await?);
        get.push(time(kubectl(&["get", "oxm"])).await?);
    }
    for (measure, mut times) in [
        (Measure::PluginHelpMs, help),
        (Measure::PluginStatusMs, status),
        (Measure::KubectlGetMs, get),
    ] {
        times.sort();
        let median = percentile(&times, 0.5).unwrap_or_default();
        run.set(measure, median.as_secs_f64() * 1000.0);
    }
    Ok(())
}

/// The time from the start of a command to its end.
async fn time(mut command: Command) -> Result<Duration> {
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let started = Instant::now();
    let output = command.stderr(Stdio::piped()).output().await?;
    let took = started.elapsed();
    if !output.status.success() {
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(format!("{command:?} failed: {error}").into());
    }
    Ok(took)
}

/// PATH with this folder before the others.
fn path_with(folder: Option<&Path>) -> Result<OsString> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folder = folder.map(Path::to_owned);
    let folders = folder.into_iter().chain(std::env::split_paths(&path));
    Ok(std::env::join_paths(folders)?)
}

//! The demo in the background: `up` starts a process that runs `serve`, and `down` stops it.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, setsid};
use tokio::time::sleep;

use crate::Result;
use crate::console::Console;
use crate::environment::{Environment, NAMESPACE, Paths, shell_quoted};
use crate::folder::Folder;

const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// The time limit of a start. It is generous because the machine may be busy.
const START_TIMEOUT: Duration = Duration::from_secs(180);

/// The time limit of a stop, for each signal. A demo stops everything that it started well within
/// this time.
const STOP_TIMEOUT: Duration = Duration::from_secs(45);

/// Starts a demo in the background, and returns when it is ready.
pub(crate) async fn up(paths: &Paths, folder: &Folder, console: Console) -> Result<()> {
    // The lock is released immediately, because the new process has to take it.
    let is_running = folder.lock()?.is_none();
    if !is_running {
        start(paths, folder).await?;
    }
    console.print(if is_running {
        "\nThe demo is already running."
    } else {
        "\nThe demo is running."
    });
    let help = fs::read_to_string(folder.join("ready"));
    console
        .print(&help.map_err(|_| "the demo is still starting or stopping: try again in a moment")?);
    Ok(())
}

async fn start(paths: &Paths, folder: &Folder) -> Result<()> {
    folder.clear();
    let log = File::create(folder.join("demo.log"))?;
    let output = File::open(folder.join("demo.log"))?;
    let child = Command::new(std::env::current_exe()?)
        .arg("serve")
        .arg("--operator")
        .arg(&paths.operator)
        .arg("--examples")
        .arg(&paths.examples)
        .arg("--folder")
        .arg(folder.join(""))
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()?;
    let mut starting = Starting {
        child: Some(child),
        output,
    };
    let deadline = Instant::now() + START_TIMEOUT;
    while !folder.join("ready").exists() {
        starting.forward_output();
        if starting.exited() {
            return Err("the demo could not be started".into());
        }
        if Instant::now() > deadline {
            let seconds = START_TIMEOUT.as_secs();
            return Err(format!("the demo was not ready within {seconds} s").into());
        }
        sleep(POLL_INTERVAL).await;
    }
    starting.forward_output();
    // Without the child, `drop` doesn't stop the demo.
    starting.child = None;
    Ok(())
}

/// A demo that isn't ready yet. Dropping it stops the demo.
struct Starting {
    child: Option<Child>,
    output: File,
}

impl Starting {
    /// Prints the output of the demo that is new since the last call.
    fn forward_output(&mut self) {
        let mut text = Vec::new();
        if self.output.read_to_end(&mut text).is_ok() {
            let _ = std::io::stdout().write_all(&text);
        }
    }

    fn exited(&mut self) -> bool {
        let exited = self
            .child
            .as_mut()
            .is_some_and(|child| !matches!(child.try_wait(), Ok(None)));
        if exited {
            self.forward_output();
        }
        exited
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = kill_process(Pid::from_child(child), Signal::TERM);
            let _ = child.wait();
        }
    }
}

/// Runs the demo until its process gets a signal.
pub(crate) async fn serve(paths: &Paths, folder: &Folder, console: Console) -> Result<()> {
    // A new session detaches the demo from the terminal, so that it gets neither the terminal's
    // Ctrl-C nor its hangup. An error means that the process already leads a process group, as when
    // a shell started it directly.
    let _ = setsid();
    let Some(_lock) = folder.lock()? else {
        return Err("another demo is running in this folder: run `make demo-down`".into());
    };
    folder.write("pid", &std::process::id().to_string())?;
    let _clear_on_drop = ClearOnDrop(folder);
    let log = folder.join("operator.log");
    let mut environment = Environment::start(paths, Some(log), console).await?;
    environment.apply(&paths.examples).await?;
    fs::copy(environment.cluster.kubeconfig(), folder.join("kubeconfig"))?;
    let instructions = Instructions::new(&environment, paths, folder)?;
    folder.write("env", &instructions.env())?;
    folder.write("ready", &instructions.help())?;
    loop {
        if let Some(status) = environment.operator.exited() {
            return Err(format!("the operator exited ({status})").into());
        }
        sleep(POLL_INTERVAL).await;
    }
}

/// Removes the files of the demo when it is dropped.
struct ClearOnDrop<'a>(&'a Folder);

impl Drop for ClearOnDrop<'_> {
    fn drop(&mut self) {
        self.0.clear();
    }
}

/// The instructions for the use of a running demo.
struct Instructions {
    exports: String,
    cache: String,
    source: String,
    hub: String,
    operator: String,
    log: String,
}

impl Instructions {
    fn new(environment: &Environment, paths: &Paths, folder: &Folder) -> Result<Self> {
        let path = |name: &str| shell_quoted(&[&folder.join(name).to_string_lossy()]);
        let kubectl = environment.cluster.kubectl_command();
        let tools = std::path::Path::new(kubectl.get_program()).parent();
        // cargo builds the kubectl plugin beside the operator.
        let operator = fs::canonicalize(&paths.operator)?;
        let folders = [tools, operator.parent()].into_iter().flatten();
        let quoted = folders.map(|folder| shell_quoted(&[&folder.to_string_lossy()]));
        Ok(Self {
            exports: format!(
                "export KUBECONFIG={}\nexport PATH={}:\"$PATH\"\n",
                path("kubeconfig"),
                quoted.collect::<Vec<_>>().join(":")
            ),
            cache: format!("export KUBECACHEDIR={}\n", path("cache")),
            source: path("env"),
            hub: environment.hub.url(),
            operator: environment.operator.url.clone(),
            log: path("operator.log"),
        })
    }

    /// Returns the content of a file for a shell to source.
    fn env(&self) -> String {
        format!(
            "{}{}export HUB={}\nexport OPERATOR={}\n",
            self.exports, self.cache, self.hub, self.operator
        )
    }

    fn help(&self) -> String {
        let Self {
            exports,
            source,
            hub,
            operator,
            log,
            ..
        } = self;
        format!(
            "`make demo-down` stops it. To use it, run in your own terminal:\n\n\
             {exports}\n\
             (`. {source}` does the same, and sets $HUB and $OPERATOR to the URLs below.)\n\n\
             Try:\n\
             \x20 kubectl get oxenmodels --watch\n\
             \x20 kubectl patch oxm support-bot --type merge -p '{{\"spec\":{{\"state\":\"inactive\"}}}}'\n\
             \x20 kubectl wait oxm/support-bot --for=condition=Ready --timeout=60s\n\
             \x20 kubectl describe oxm typo\n\
             \x20 kubectl oxen status\n\
             \x20 kubectl oxen on demo-bot --for 2m --wait\n\n\
             The samples are in the namespace {NAMESPACE}, which is the default of this kubeconfig.\n\
             The simulated hub is at {hub}, with the key {}. To list its requests: curl {hub}/_hub/journal\n\
             The operator's metrics are at {operator}/metrics, and its log is {log}",
            hub::KEY
        )
    }
}

/// Stops the running demo, and returns when it has stopped everything that it started.
pub(crate) async fn down(folder: &Folder, console: Console) -> Result<()> {
    if folder.lock()?.is_some() {
        folder.clear();
        console.print("No demo is running.");
        return Ok(());
    }
    for signal in [Signal::TERM, Signal::KILL] {
        if let Some(pid) = folder.pid() {
            let _ = kill_process(pid, signal);
        }
        let deadline = Instant::now() + STOP_TIMEOUT;
        while Instant::now() < deadline {
            if folder.lock()?.is_some() {
                folder.clear();
                console.print("The demo and everything that it started are stopped.");
                return Ok(());
            }
            sleep(POLL_INTERVAL).await;
        }
    }
    Err("the demo could not be stopped".into())
}

//! The demo that stays: `up` starts `serve` in the background, `down` ends it.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, setsid};
use tokio::time::sleep;

use crate::Result;
use crate::folder::Folder;
use crate::stage::{NAMESPACE, Props, Stage, quoted};
use crate::voice::Voice;

const PAUSE: Duration = Duration::from_millis(100);

/// More than a start takes on a busy machine.
const UP_LIMIT: Duration = Duration::from_secs(180);

/// More than a demo takes to stop what it started.
const DOWN_LIMIT: Duration = Duration::from_secs(45);

/// Starts a demo and returns when it is ready.
pub(crate) async fn up(props: &Props, folder: &Folder, voice: Voice) -> Result<()> {
    // Let go at once: it is the new process that has to hold it.
    let runs = folder.lock()?.is_none();
    if !runs {
        start(props, folder).await?;
    }
    voice.line(if runs {
        "\nThe demo already runs."
    } else {
        "\nThe demo runs."
    });
    let help = fs::read_to_string(folder.join("ready"));
    voice.line(&help.map_err(|_| "it is still starting, or stopping: try again in a moment")?);
    Ok(())
}

async fn start(props: &Props, folder: &Folder) -> Result<()> {
    folder.clear();
    let log = File::create(folder.join("demo.log"))?;
    let said = File::open(folder.join("demo.log"))?;
    let child = Command::new(std::env::current_exe()?)
        .arg("serve")
        .arg("--operator")
        .arg(&props.operator)
        .arg("--examples")
        .arg(&props.examples)
        .arg("--folder")
        .arg(folder.join(""))
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()?;
    let mut starting = Starting {
        child: Some(child),
        said,
    };
    let deadline = Instant::now() + UP_LIMIT;
    while !folder.join("ready").exists() {
        starting.repeat();
        if starting.ended() {
            return Err("the demo could not be started".into());
        }
        if Instant::now() > deadline {
            return Err(format!("the demo was not ready within {} s", UP_LIMIT.as_secs()).into());
        }
        sleep(PAUSE).await;
    }
    starting.repeat();
    // From now on it is on its own.
    starting.child = None;
    Ok(())
}

/// A demo that isn't ready yet, and is stopped when nobody waits for it any more.
struct Starting {
    child: Option<Child>,
    said: File,
}

impl Starting {
    /// Passes on what it has said since.
    fn repeat(&mut self) {
        let mut words = Vec::new();
        if self.said.read_to_end(&mut words).is_ok() {
            let _ = std::io::stdout().write_all(&words);
        }
    }

    fn ended(&mut self) -> bool {
        let ended = self
            .child
            .as_mut()
            .is_some_and(|child| !matches!(child.try_wait(), Ok(None)));
        if ended {
            self.repeat();
        }
        ended
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

/// The demo itself, until it is told to stop.
pub(crate) async fn serve(props: &Props, folder: &Folder, voice: Voice) -> Result<()> {
    // Away from the terminal, so that neither its Ctrl-C nor its end is ours. It fails where that is so already.
    let _ = setsid();
    let Some(_lock) = folder.lock()? else {
        return Err("another demo runs in this folder".into());
    };
    folder.write("pid", &std::process::id().to_string())?;
    let _cleared = Cleared(folder);
    let mut stage = Stage::set(props, Some(folder.join("operator.log")), voice).await?;
    stage.apply(&props.examples).await?;
    fs::copy(stage.cluster.kubeconfig(), folder.join("kubeconfig"))?;
    let lines = Lines::new(&stage, folder);
    folder.write("env", &lines.env())?;
    folder.write("ready", &lines.help())?;
    loop {
        if let Some(status) = stage.operator.ended() {
            return Err(format!("the operator ended ({status})").into());
        }
        sleep(PAUSE).await;
    }
}

/// Takes the files away with the demo.
struct Cleared<'a>(&'a Folder);

impl Drop for Cleared<'_> {
    fn drop(&mut self) {
        self.0.clear();
    }
}

/// What a person needs in order to use a demo that runs.
struct Lines {
    exports: String,
    cache: String,
    source: String,
    hub: String,
    operator: String,
    log: String,
}

impl Lines {
    fn new(stage: &Stage, folder: &Folder) -> Self {
        let path = |name: &str| quoted(&[&folder.join(name).to_string_lossy()]);
        let kubectl = stage.cluster.kubectl_command();
        let tools = std::path::Path::new(kubectl.get_program()).parent();
        let tools = tools.map(|tools| quoted(&[&tools.to_string_lossy()]));
        Self {
            exports: format!(
                "export KUBECONFIG={}\nexport PATH={}:\"$PATH\"\n",
                path("kubeconfig"),
                tools.unwrap_or_default()
            ),
            cache: format!("export KUBECACHEDIR={}\n", path("cache")),
            source: path("env"),
            hub: stage.hub.url(),
            operator: stage.operator.url.clone(),
            log: path("operator.log"),
        }
    }

    /// A file to be read by a shell.
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
            "`make demo-down` stops it. In a terminal of your own:\n\n\
             {exports}\n\
             (`. {source}` does the same, and sets $HUB and $OPERATOR to the URLs below.)\n\n\
             Try:\n\
             \x20 kubectl get oxenmodels --watch\n\
             \x20 kubectl patch oxm support-bot --type merge -p '{{\"spec\":{{\"state\":\"inactive\"}}}}'\n\
             \x20 kubectl wait oxm/support-bot --for=condition=Ready --timeout=60s\n\
             \x20 kubectl describe oxm typo\n\n\
             The samples are in the namespace {NAMESPACE}, which this kubeconfig has as its default.\n\
             The simulated hub: {hub}, key {}; what it was asked: curl {hub}/_hub/journal\n\
             The operator: {operator}/metrics, and its log in {log}",
            hub::KEY
        )
    }
}

/// Stops the demo that runs, and returns when nothing of it is left.
pub(crate) async fn down(folder: &Folder, voice: Voice) -> Result<()> {
    if folder.lock()?.is_some() {
        folder.clear();
        voice.line("No demo runs; there is nothing to stop.");
        return Ok(());
    }
    for signal in [Signal::TERM, Signal::KILL] {
        if let Some(pid) = folder.pid() {
            let _ = kill_process(pid, signal);
        }
        let deadline = Instant::now() + DOWN_LIMIT;
        while Instant::now() < deadline {
            if folder.lock()?.is_some() {
                folder.clear();
                voice.line("The demo is stopped, and nothing of it is left running.");
                return Ok(());
            }
            sleep(PAUSE).await;
        }
    }
    Err("the demo could not be stopped".into())
}

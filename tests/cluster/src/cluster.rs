//! A running control plane.

use crate::builder::Builder;
use crate::folder::Folder;
use crate::gate::Gate;
use crate::port::Port;
use crate::process::Process;
use crate::requests::Request;
use crate::tools::Tools;
use crate::user::{ADMIN, User};
use crate::{Error, Result, apiserver, requests};
use kube::config::{KubeConfigOptions, Kubeconfig};
use rustix::process::Signal;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::{sleep, timeout};
use uuid::Uuid;

/// Far more than a start takes, for a machine that compiles at the same time.
const START_LIMIT: Duration = Duration::from_secs(120);

/// A running control plane. Dropping it ends it and removes its folder.
#[derive(Debug)]
pub struct Cluster {
    // In this order they are dropped: the folder when nothing writes in it any more.
    apiserver: Mutex<Option<Process>>,
    etcd: Mutex<Process>,
    folder: Folder,
    port: Port,
    flags: Vec<String>,
    users: Vec<User>,
    kubeconfigs: Vec<PathBuf>,
    pub(crate) tools: Tools,
}

impl Cluster {
    /// Starts one as it comes. [`Cluster::builder`] has the choices.
    pub async fn start() -> Result<Self> {
        Self::builder().start().await
    }

    /// Flags and users, to be chosen before the start.
    pub fn builder() -> Builder {
        Builder::default()
    }

    pub(crate) fn new(
        tools: Tools,
        folder: Folder,
        etcd: Process,
        flags: Vec<String>,
        users: Vec<User>,
        port: Port,
    ) -> Self {
        let kubeconfigs = (0..users.len())
            .map(|user| folder.join(format!("kubeconfig-{user}.yaml")))
            .collect();
        Self {
            apiserver: Mutex::new(None),
            etcd: Mutex::new(etcd),
            folder,
            port,
            flags,
            users,
            kubeconfigs,
            tools,
        }
    }

    pub(crate) fn change_port(&mut self, port: Port) {
        self.port = port;
    }

    /// Runs a program of the caller's beside the control plane, in its folder: it ends when it is dropped, and
    /// however this process ends. `name` is its own among them; its log is `NAME.log`.
    pub fn run(
        &self,
        name: &str,
        program: &Path,
        arguments: &[OsString],
        environment: &[(OsString, OsString)],
    ) -> Result<Process> {
        Process::start(&self.folder, name, program, arguments, environment)
    }

    /// Starts the API server where it was stopped: same port, same certificate, same data. Returns when it is
    /// ready, at once if it already runs.
    pub async fn start_apiserver(&self) -> Result<()> {
        {
            let mut apiserver = lock(&self.apiserver);
            if apiserver
                .as_mut()
                .is_some_and(|process| process.ended().is_none())
            {
                return Ok(());
            }
            let arguments = apiserver::arguments(self.port.number(), &self.flags);
            let process = Process::start(
                &self.folder,
                "kube-apiserver",
                &self.tools.apiserver,
                &arguments,
                &[],
            )?;
            *apiserver = Some(process);
        }
        let came_up = async {
            apiserver::listens(self.port.number()).await;
            apiserver::ready(self.config().await?).await
        };
        tokio::select! {
            result = timeout(START_LIMIT, came_up) => match result {
                Ok(result) => result,
                Err(_) => Err(self.not_ready(format!("was not ready within {} s", START_LIMIT.as_secs()))),
            },
            error = self.something_ends() => Err(error),
        }
    }

    /// Stops the API server as a crash would: at once, with every connection cut. The data stays.
    pub async fn stop_apiserver(&self) -> Result<()> {
        let process = lock(&self.apiserver).take();
        let stopped = tokio::task::spawn_blocking(move || drop(process)).await;
        stopped.map_err(|error| Error::io("the API server could not be stopped")(error.into()))
    }

    /// Freezes the API server: connections stay open, and nothing comes back on them.
    pub fn pause_apiserver(&self) -> Result<()> {
        self.with_apiserver(Process::pause)
    }

    /// Lets a frozen API server go on.
    pub fn resume_apiserver(&self) -> Result<()> {
        self.with_apiserver(|process| process.signal(Signal::CONT))
    }

    fn with_apiserver(&self, act: impl FnOnce(&Process) -> Result<()>) -> Result<()> {
        act(lock(&self.apiserver).as_ref().ok_or(Error::Stopped)?)
    }

    /// Returns when etcd or the API server is gone, which only a failing start waits for.
    async fn something_ends(&self) -> Error {
        loop {
            sleep(Duration::from_millis(20)).await;
            let mut etcd = lock(&self.etcd);
            if let Some(status) = etcd.ended() {
                return etcd.not_ready(format!("ended ({status})"));
            }
            match lock(&self.apiserver)
                .as_mut()
                .map(|process| (process.ended(), process))
            {
                Some((None, _)) => {}
                Some((Some(status), process)) => {
                    return process.not_ready(format!("ended ({status})"));
                }
                None => return Error::Stopped,
            }
        }
    }

    fn not_ready(&self, how: String) -> Error {
        lock(&self.apiserver)
            .as_ref()
            .map_or(Error::Stopped, |process| process.not_ready(how))
    }

    /// The administrator's kubeconfig: a file in [`Cluster::folder`] that needs no other.
    pub fn kubeconfig(&self) -> &Path {
        // The administrator is always the first user.
        &self.kubeconfigs[0]
    }

    /// The kubeconfig of a user that the builder was told about.
    pub fn kubeconfig_for(&self, user: &str) -> Result<&Path> {
        let index = self.users.iter().position(|known| known.name == user);
        index
            .map(|index| self.kubeconfigs[index].as_path())
            .ok_or_else(|| Error::UnknownUser(user.to_owned()))
    }

    /// A client's configuration, for a client that is not [`Cluster::client`]'s.
    pub async fn config(&self) -> Result<kube::Config> {
        self.config_for(ADMIN).await
    }

    /// The same for a user that the builder was told about.
    pub async fn config_for(&self, user: &str) -> Result<kube::Config> {
        let known = self.users.iter().find(|known| known.name == user);
        let user = known.ok_or_else(|| Error::UnknownUser(user.to_owned()))?;
        let kubeconfig = Kubeconfig::from_yaml(&self.kubeconfig_text(user)?)?;
        let mut config =
            kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
        // The environment's proxy can't know the way to a port of this machine's 127.0.0.1.
        config.proxy_url = None;
        Ok(config)
    }

    /// A new client of the administrator's. It belongs to the runtime that it is made on.
    pub async fn client(&self) -> Result<kube::Client> {
        Ok(kube::Client::try_from(self.config().await?)?)
    }

    /// A new client of a user that the builder was told about.
    pub async fn client_for(&self, user: &str) -> Result<kube::Client> {
        Ok(kube::Client::try_from(self.config_for(user).await?)?)
    }

    /// A gate in front of the API server, with the administrator's rights. It belongs to the runtime that it is
    /// made on.
    pub async fn gate(&self) -> Result<Gate> {
        self.gate_with(self.config().await?).await
    }

    /// The same with the rights that another configuration has.
    pub async fn gate_with(&self, mut config: kube::Config) -> Result<Gate> {
        // Whether a request is made again is for whoever sent it to say.
        config.default_retry = false;
        let file = format!("gate-{}.yaml", Uuid::new_v4());
        Gate::open(kube::Client::try_from(config)?, self.folder.join(file)).await
    }

    /// Where the API server is, while it runs and while it is stopped.
    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port.number())
    }

    /// Every request that the API server has answered since the first start, oldest first.
    ///
    /// A request is here as soon as its caller has the answer; a watch, when it ended.
    pub fn requests(&self) -> Result<Vec<Request>> {
        requests::read(&apiserver::request_log(&self.folder))
    }

    /// Where all files are. It goes with the cluster.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The end of the API server's log.
    pub fn apiserver_log(&self) -> String {
        crate::process::tail(&self.folder.join("kube-apiserver.log"))
    }

    /// The process ids of etcd and of the API server, as far as they run.
    pub fn pids(&self) -> Vec<u32> {
        let apiserver = lock(&self.apiserver).as_ref().and_then(Process::pid);
        let pids = [lock(&self.etcd).pid(), apiserver].into_iter().flatten();
        pids.filter_map(|pid| pid.as_raw_nonzero().get().try_into().ok())
            .collect()
    }

    /// Once, after the first start: the certificate is there, and the port is found.
    pub(crate) fn write_kubeconfigs(&self) -> Result<()> {
        for (user, path) in self.users.iter().zip(&self.kubeconfigs) {
            let written = fs::write(path, self.kubeconfig_text(user)?);
            written.map_err(Error::io("a kubeconfig could not be written"))?;
        }
        Ok(())
    }

    fn kubeconfig_text(&self, user: &User) -> Result<String> {
        let authority = fs::read(apiserver::certificate(&self.folder));
        let authority =
            authority.map_err(Error::io("the API server's certificate could not be read"))?;
        Ok(user.kubeconfig(&self.url(), &authority))
    }
}

/// A test that panicked while it held the lock is no reason to fail the others.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

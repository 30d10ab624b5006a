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

/// The time limit of a start. It is generous because the machine may compile at the same time.
const START_TIMEOUT: Duration = Duration::from_secs(120);

/// A running control plane. Dropping it stops its processes and removes its folder.
#[derive(Debug)]
pub struct Cluster {
    // The fields are dropped in this order: the processes first, because they write to the folder.
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
    /// Starts a control plane with the defaults of [`Cluster::builder`].
    pub async fn start() -> Result<Self> {
        Self::builder().start().await
    }

    /// Creates a builder, which can add flags and users before the start.
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

    /// Runs another program in the control plane's folder. The program is killed when the returned
    /// value is dropped or this process ends. The name has to be unique within the cluster; the log
    /// is the file `NAME.log`.
    pub fn run(
        &self,
        name: &str,
        program: &Path,
        arguments: &[OsString],
        environment: &[(OsString, OsString)],
    ) -> Result<Process> {
        Process::start(&self.folder, name, program, arguments, environment)
    }

    /// Starts a stopped API server with the same port, certificate and data, and waits until it is
    /// ready. Returns immediately if it runs already.
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
        let started = async {
            apiserver::wait_until_listening(self.port.number()).await;
            apiserver::wait_until_ready(self.config().await?).await
        };
        tokio::select! {
            result = timeout(START_TIMEOUT, started) => match result {
                Ok(result) => result,
                Err(_) => Err(self.not_ready(format!("was not ready within {} s", START_TIMEOUT.as_secs()))),
            },
            error = self.process_exit() => Err(error),
        }
    }

    /// Kills the API server, which closes every connection. The data is kept.
    pub async fn stop_apiserver(&self) -> Result<()> {
        let process = lock(&self.apiserver).take();
        let stopped = tokio::task::spawn_blocking(move || drop(process)).await;
        stopped.map_err(|error| Error::io("the API server could not be stopped")(error.into()))
    }

    /// Suspends the API server: connections stay open, but it doesn't respond.
    pub fn pause_apiserver(&self) -> Result<()> {
        self.with_apiserver(Process::pause)
    }

    /// Resumes a suspended API server.
    pub fn resume_apiserver(&self) -> Result<()> {
        self.with_apiserver(|process| process.signal(Signal::CONT))
    }

    fn with_apiserver(&self, action: impl FnOnce(&Process) -> Result<()>) -> Result<()> {
        action(lock(&self.apiserver).as_ref().ok_or(Error::Stopped)?)
    }

    /// Waits until etcd or the API server exits, so that a failed start is reported early.
    async fn process_exit(&self) -> Error {
        loop {
            sleep(Duration::from_millis(20)).await;
            let mut etcd = lock(&self.etcd);
            if let Some(status) = etcd.ended() {
                return etcd.not_ready(format!("exited ({status})"));
            }
            match lock(&self.apiserver)
                .as_mut()
                .map(|process| (process.ended(), process))
            {
                Some((None, _)) => {}
                Some((Some(status), process)) => {
                    return process.not_ready(format!("exited ({status})"));
                }
                None => return Error::Stopped,
            }
        }
    }

    fn not_ready(&self, problem: String) -> Error {
        lock(&self.apiserver)
            .as_ref()
            .map_or(Error::Stopped, |process| process.not_ready(problem))
    }

    /// Returns the path of the administrator's kubeconfig. It refers to no other file.
    pub fn kubeconfig(&self) -> &Path {
        // The administrator is always the first user.
        &self.kubeconfigs[0]
    }

    /// Returns the path of the kubeconfig of a user that was added with [`Builder::user`].
    pub fn kubeconfig_for(&self, user: &str) -> Result<&Path> {
        let index = self.users.iter().position(|known| known.name == user);
        index
            .map(|index| self.kubeconfigs[index].as_path())
            .ok_or_else(|| Error::UnknownUser(user.to_owned()))
    }

    /// Returns the administrator's client configuration, for clients that differ from
    /// [`Cluster::client`].
    pub async fn config(&self) -> Result<kube::Config> {
        self.config_for(ADMIN).await
    }

    /// Returns the client configuration of a user that was added with [`Builder::user`].
    pub async fn config_for(&self, user: &str) -> Result<kube::Config> {
        let known = self.users.iter().find(|known| known.name == user);
        let user = known.ok_or_else(|| Error::UnknownUser(user.to_owned()))?;
        let kubeconfig = Kubeconfig::from_yaml(&self.kubeconfig_text(user)?)?;
        let mut config =
            kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
        // A proxy of the environment can't reach 127.0.0.1 of this machine.
        config.proxy_url = None;
        Ok(config)
    }

    /// Creates a client with the administrator's rights. It belongs to the current tokio runtime.
    pub async fn client(&self) -> Result<kube::Client> {
        Ok(kube::Client::try_from(self.config().await?)?)
    }

    /// Creates a client with the rights of a user that was added with [`Builder::user`]. It belongs
    /// to the current tokio runtime.
    pub async fn client_for(&self, user: &str) -> Result<kube::Client> {
        Ok(kube::Client::try_from(self.config_for(user).await?)?)
    }

    /// Creates a gate in front of the API server with the administrator's rights. It belongs to the
    /// current tokio runtime.
    pub async fn gate(&self) -> Result<Gate> {
        self.gate_with(self.config().await?).await
    }

    /// Creates a gate in front of the API server with the rights of this configuration. It belongs
    /// to the current tokio runtime.
    pub async fn gate_with(&self, mut config: kube::Config) -> Result<Gate> {
        // The gate must not retry, because its own client decides whether to retry.
        config.default_retry = false;
        let file = format!("gate-{}.yaml", Uuid::new_v4());
        Gate::open(kube::Client::try_from(config)?, self.folder.join(file)).await
    }

    /// Returns the URL of the API server, which stays the same while it is stopped.
    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port.number())
    }

    /// Returns every request that the API server has responded to since the first start, oldest
    /// first.
    ///
    /// A request is included as soon as its client has the complete response. A watch is included
    /// when it has ended.
    pub fn requests(&self) -> Result<Vec<Request>> {
        requests::read(&apiserver::request_log(&self.folder), None)
    }

    /// Returns the requests about objects of one namespace, as [`requests`](Self::requests) does.
    pub fn requests_in(&self, namespace: &str) -> Result<Vec<Request>> {
        requests::read(&apiserver::request_log(&self.folder), Some(namespace))
    }

    /// Returns the folder of all files, which is removed when the cluster is dropped.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Returns the end of the API server's log.
    pub fn apiserver_log(&self) -> String {
        crate::process::tail(&self.folder.join("kube-apiserver.log"))
    }

    /// Returns the process ids of etcd and the API server. A process that doesn't run is omitted.
    pub fn pids(&self) -> Vec<u32> {
        let apiserver = lock(&self.apiserver).as_ref().and_then(Process::pid);
        let pids = [lock(&self.etcd).pid(), apiserver].into_iter().flatten();
        pids.filter_map(|pid| pid.as_raw_nonzero().get().try_into().ok())
            .collect()
    }

    /// Writes the kubeconfigs. The API server has to have started, because they need its
    /// certificate and its port.
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

// A poisoned lock is still usable: a test that panicked must not fail the others.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

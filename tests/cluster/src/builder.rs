//! What is chosen before a cluster starts.

use crate::cluster::Cluster;
use crate::folder::Folder;
use crate::port::Port;
use crate::tools::Tools;
use crate::user::User;
use crate::{Result, apiserver, etcd};

/// How often a start is tried with another port.
const PORTS: usize = 5;

/// What is chosen before a cluster starts. [`Cluster::builder`] makes one.
#[derive(Debug, Default)]
#[must_use = "nothing starts before `start`"]
pub struct Builder {
    flags: Vec<String>,
    users: Vec<User>,
}

impl Builder {
    /// One more flag for the API server, such as `--v=4`. It wins over the flag of that name that is set here.
    pub fn apiserver_flag(mut self, flag: impl Into<String>) -> Self {
        self.flags.push(flag.into());
        self
    }

    /// One more user, in these groups. It may do what RBAC grants it: at first, nothing.
    pub fn user(mut self, name: &str, groups: &[&str]) -> Self {
        self.users.push(User::new(name, groups));
        self
    }

    /// Starts etcd and the API server, and waits until that is ready: two to three seconds on an idle machine.
    pub async fn start(self) -> Result<Cluster> {
        let tools = Tools::find()?;
        let folder = Folder::new()?;
        let mut users = vec![User::admin()];
        users.extend(self.users);
        let etcd = etcd::start(&folder, &tools.etcd)?;
        let flags = apiserver::prepare(&folder, &users, &self.flags)?;
        let mut cluster = Cluster::new(tools, folder, etcd, flags, users, Port::claim()?);
        let mut tries = 1;
        loop {
            match cluster.start_apiserver().await {
                Ok(()) => break,
                Err(error) if apiserver::port_was_taken(&error) && tries < PORTS => {
                    tries += 1;
                    cluster.change_port(Port::claim()?);
                }
                Err(error) => return Err(error),
            }
        }
        cluster.write_kubeconfigs()?;
        Ok(cluster)
    }
}

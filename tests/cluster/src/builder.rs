//! The builder of a cluster.

use crate::cluster::Cluster;
use crate::folder::Folder;
use crate::port::Port;
use crate::tools::Tools;
use crate::user::User;
use crate::{Result, apiserver, etcd};

/// The number of ports that a start tries.
const MAX_ATTEMPTS: usize = 5;

/// A builder of a cluster; [`Cluster::builder`] creates it.
#[derive(Debug, Default)]
#[must_use = "call `start` to start the cluster"]
pub struct Builder {
    flags: Vec<String>,
    users: Vec<User>,
}

impl Builder {
    /// Adds a flag for the API server, such as `--v=4`. It overrides a default flag of the same
    /// name.
    pub fn apiserver_flag(mut self, flag: impl Into<String>) -> Self {
        self.flags.push(flag.into());
        self
    }

    /// Adds a user in these groups. The user has the permissions that RBAC grants, which are none
    /// in a new cluster.
    pub fn user(mut self, name: &str, groups: &[&str]) -> Self {
        self.users.push(User::new(name, groups));
        self
    }

    /// Starts etcd and the API server, and waits until the API server is ready. This takes two to
    /// three seconds on an idle machine.
    pub async fn start(self) -> Result<Cluster> {
        let tools = Tools::find()?;
        let folder = Folder::new()?;
        let mut users = vec![User::admin()];
        users.extend(self.users);
        let etcd = etcd::start(&folder, &tools.etcd)?;
        let flags = apiserver::prepare(&folder, &users, &self.flags)?;
        let mut cluster = Cluster::new(tools, folder, etcd, flags, users, Port::reserve()?);
        let mut attempts = 1;
        loop {
            match cluster.start_apiserver().await {
                Ok(()) => break,
                Err(error) if apiserver::port_is_used(&error) && attempts < MAX_ATTEMPTS => {
                    attempts += 1;
                    cluster.change_port(Port::reserve()?);
                }
                Err(error) => return Err(error),
            }
        }
        cluster.write_kubeconfigs()?;
        Ok(cluster)
    }
}

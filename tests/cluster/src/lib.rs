//! A real control plane for tests and the demo: etcd and kube-apiserver in a temporary folder.
//!
//! ```no_run
//! # async fn example() -> Result<(), cluster::Error> {
//! let cluster = cluster::Cluster::start().await?;
//! let nodes = cluster.kubectl(&["get", "nodes"]).await?.ok()?;
//! assert_eq!(nodes.stderr.trim(), "No resources found");
//! # Ok(())
//! # }
//! ```
//!
//! The cluster has no nodes, no scheduler and no controllers. Nothing collects garbage, and a
//! deleted namespace stays `Terminating` unless [`Cluster::controller_manager`] runs.
//!
//! The processes and the folder of a cluster are removed when it is dropped, and also when the
//! process that started it panics, is interrupted or is killed. A cluster can therefore be a
//! `static`. It keeps nothing on the async runtime that started it, so tests with different
//! runtimes can share it.
//!
//! # Layout
//!
//! | what | where |
//! |---|---|
//! | a cluster: start, stop, pause, users, clients | `cluster.rs` |
//! | flags and users, which are set before the start | `builder.rs` |
//! | the API server: flags, port, certificates, readiness | `apiserver.rs`, `port.rs` |
//! | etcd | `etcd.rs` |
//! | the controller manager, which is optional | `controller_manager.rs` |
//! | kubectl and helm | `command.rs` |
//! | the API server's log of requests | `requests.rs` |
//! | a proxy that refuses, holds and answers requests, and stalls streams | `gate.rs`, `hold.rs` |
//! | the search for the programs | `tools.rs` |
//! | a child process that is killed when this process ends | `process.rs`, `supervise.sh` |
//! | a folder that is removed when this process ends | `folder.rs`, `cleanup.sh` |

mod apiserver;
mod builder;
mod cluster;
mod command;
mod controller_manager;
mod error;
mod etcd;
mod folder;
mod gate;
mod hold;
mod port;
mod process;
mod requests;
mod tools;
mod user;

pub use builder::Builder;
pub use cluster::Cluster;
pub use command::Output;
pub use error::{Error, Result};
pub use gate::Gate;
pub use hold::{Held, HeldAll};
pub use http::StatusCode;
pub use process::Process;
pub use requests::Request;
pub use rustix::process::Signal;

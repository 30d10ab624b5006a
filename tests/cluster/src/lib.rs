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
//! There is no node, nothing collects garbage, and what is stored stays as it was written: a namespace that is
//! deleted stays `Terminating`, but where [`Cluster::controller_manager`] runs.
//!
//! A cluster is gone, processes and folder, soon after its owner: when it is dropped, and also when the process
//! that started it panics, is interrupted or is killed. So a cluster may live in a `static`, and as it keeps
//! nothing on the async runtime that started it, each test may bring its own.
//!
//! # Layout
//!
//! | what | where |
//! |---|---|
//! | a cluster: start, stop, pause, users, clients | `cluster.rs` |
//! | what is chosen before the start | `builder.rs` |
//! | the API server: flags, port, certificates, readiness | `apiserver.rs`, `port.rs` |
//! | etcd | `etcd.rs` |
//! | the controller manager, for those who want one | `controller_manager.rs` |
//! | kubectl and helm | `command.rs` |
//! | the API server's log of requests | `requests.rs` |
//! | a gate that refuses, holds and cuts off requests | `gate.rs` |
//! | where the programs are found | `tools.rs` |
//! | a child process that can't outlive us | `process.rs`, `supervise.sh` |
//! | a folder that can't outlive us | `folder.rs`, `janitor.sh` |

mod apiserver;
mod builder;
mod cluster;
mod command;
mod controller_manager;
mod error;
mod etcd;
mod folder;
mod gate;
mod port;
mod process;
mod requests;
mod tools;
mod user;

pub use builder::Builder;
pub use cluster::Cluster;
pub use command::Output;
pub use error::{Error, Result};
pub use gate::{Gate, Held};
pub use http::StatusCode;
pub use process::Process;
pub use requests::Request;
pub use rustix::process::Signal;

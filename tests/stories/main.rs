//! Stories: a real API server, the simulated hub, and the operator as a process of its own.
//!
//! # Layout
//!
//! | what | where |
//! |---|---|
//! | a model is turned on and off | `activation.rs` |
//! | input that the schema, or this version, can't accept | `bad_input.rs` |
//! | which API key is used, and what is reported where there is none | `credentials.rs` |
//! | an object is deleted | `deletion.rs` |
//! | what the hub says about a model's deployments | `deployments.rs` |
//! | drift, failed deployments and progress deadlines | `drift.rs` |
//! | the hub's faults | `faults.rs` |
//! | a settled cluster causes no calls and no writes | `idempotence.rs` |
//! | the operator is killed at each step of a reconcile | `kills.rs` |
//! | faults between the operator and the API server | `kube.rs` |
//! | which proxy leads to the API server | `kubeconfig.rs` |
//! | what kubectl prints | `kubectl.rs` |
//! | two replicas and the Lease | `leadership.rs` |
//! | the process: start, probes and shutdown | `lifecycle.rs` |
//! | a namespace is deleted | `namespaces.rs` |
//! | two objects of one model | `ownership.rs` |
//! | the rate limit, and keys that the hub refuses | `rate_limit.rs` |
//! | the operator is restarted | `restart.rs` |
//! | suspended objects | `suspend.rs` |
//! | the expected output of kubectl | `golden/` |
//!
//! `testkit::world` has what they share.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod activation;
mod bad_input;
mod credentials;
mod deletion;
mod deployments;
mod drift;
mod faults;
mod idempotence;
mod kills;
mod kube;
mod kubeconfig;
mod kubectl;
mod leadership;
mod lifecycle;
mod namespaces;
mod ownership;
mod rate_limit;
mod restart;
mod suspend;

//! Stories: a real API server, the simulated hub, and the operator as a process of its own.
//!
//! # Layout
//!
//! | what | where |
//! |---|---|
//! | a model is turned on and off | `activation.rs` |
//! | the certificate authorities change | `authorities.rs` |
//! | input that the schema or the hub can't accept | `bad_input.rs` |
//! | a budget refuses activations, and what it counts | `budgets.rs` |
//! | budgets that are not known: not listed, or not decodable | `unknown_budgets.rs` |
//! | which API key is used, and what is reported where there is none | `credentials.rs` |
//! | objects of one model are deleted together | `deleted_together.rs` |
//! | an object is deleted | `deletion.rs` |
//! | what the hub says about a model's deployments | `deployments.rs` |
//! | drift, failed deployments and progress deadlines | `drift.rs` |
//! | events, and namespaces whose requests are slow | `events.rs` |
//! | the hub's faults | `faults.rs` |
//! | a world with a gate in front of the API server | `gated.rs` |
//! | the hub turns off models that had no requests | `idle.rs` |
//! | a settled cluster causes no calls and no writes | `idempotence.rs` |
//! | a keeper renews an override | `keeper.rs` |
//! | the operator is killed at each step of a reconcile | `kills.rs` |
//! | faults between the operator and the API server | `kube.rs` |
//! | which proxy leads to the API server | `kubeconfig.rs` |
//! | what kubectl prints | `kubectl.rs` |
//! | two replicas and the Lease | `leadership.rs` |
//! | the process: start, probes and shutdown | `lifecycle.rs` |
//! | which object a line of the log is about | `logs.rs` |
//! | a namespace is deleted | `namespaces.rs` |
//! | a CustomResourceDefinition of an older version | `outdated_crd.rs` |
//! | overrides, with a GitOps tool and in a pipeline | `overrides.rs` |
//! | two objects of one model | `ownership.rs` |
//! | the rate limit, and keys that the hub refuses | `rate_limit.rs` |
//! | the operator is restarted | `restart.rs` |
//! | a backup restores a status | `restored.rs` |
//! | scheduled models | `schedule.rs` |
//! | Secrets that can't be read | `secrets.rs` |
//! | what makes a standby ready | `standby.rs` |
//! | suspended objects | `suspend.rs` |
//! | for how long a model was on, over restarts and leaders | `usage.rs` |
//! | objects that this version can't decode | `undecodable.rs` |
//! | objects that this version can't decode any more | `undecodable_later.rs` |
//! | custom models that no object manages | `unmanaged.rs` |
//! | watches that fail, and namespaces that can't be listed | `watches.rs` |
//! | the expected output of kubectl | `golden/` |
//!
//! `testkit::world` has what they share.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod activation;
mod authorities;
mod bad_input;
mod budgets;
mod credentials;
mod deleted_together;
mod deletion;
mod deployments;
mod drift;
mod events;
mod faults;
mod gated;
mod idempotence;
mod idle;
mod keeper;
mod kills;
mod kube;
mod kubeconfig;
mod kubectl;
mod leadership;
mod lifecycle;
mod logs;
mod namespaces;
mod outdated_crd;
mod overload;
mod overrides;
mod ownership;
mod rate_limit;
mod restart;
mod restored;
mod schedule;
mod secrets;
mod standby;
mod suspend;
mod undecodable;
mod undecodable_later;
mod unknown_budgets;
mod unmanaged;
mod usage;
mod watches;

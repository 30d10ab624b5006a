//! What a platform team gets beside the program, with the real tools: the chart by helm, the rights
//! by RBAC, the life of objects as Flux and Argo CD read it, metrics and alerts by promtool, and
//! every manifest in the docs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod accepted;
mod alerts;
mod argocd;
mod chart;
mod check;
mod docs;
mod generated_docs;
mod gitops;
mod install;
mod krew;
mod kustomize;
mod lifecycle;
mod names;
mod network;
mod notes;
mod pods;
mod rbac;
mod refused;
mod release;
mod samples;
mod schedule;
mod tool;
mod values;

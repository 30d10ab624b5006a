//! The watch of the budgets of one namespace, or of all, and the writes of their status.

use std::sync::Arc;

use futures::{StreamExt, future};
use kube::{
    Api,
    api::{Patch, PatchParams},
    runtime::watcher::{self, Event},
};
use serde_json::json;
use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};
use tracing::{error, warn};

use super::{
    context::Context,
    error::{ReconcileError, Request},
    guarded_budget::GuardedBudget,
    health::Health,
    index::{Index, Report},
    streams::{list_refused, refused_with, scoped, watch_config, watching},
    watch::ALL_NAMESPACES,
};
use crate::{metrics::BudgetMetrics, readiness::Watched};

/// Watches the budgets of one namespace, or of all, and writes their status, until the shutdown.
pub(super) async fn run(context: &Arc<Context>, namespace: Option<String>) {
    let index = &context.index;
    index.add_budget_scope(namespace.clone());
    let monitor = context.monitor();
    let health = monitor.add(Watched {
        resource: "oxenbudgets",
        namespace: namespace.clone(),
        name: None,
        required: false,
    });
    let (scope, listed) = (namespace.as_deref(), Notify::new());
    // While the budgets are not listed, nothing is activated, and the rest of the work goes on.
    let begin = async {
        let _ = timeout(monitor.patience, listed.notified()).await;
        index.stop_awaiting_budgets();
    };
    let work = future::join3(
        watch(context, scope, &health, &listed),
        begin,
        write_statuses(context, scope),
    );
    tokio::select! {
        () = context.shutdown.cancelled() => {}
        _ = work => {}
    }
}

/// The metrics of all budgets.
pub(super) fn metrics(index: &Index) -> Vec<BudgetMetrics> {
    let reports = index.budgets().into_iter();
    let metrics = reports.map(|report| BudgetMetrics {
        namespace: report.namespace.to_string(),
        spec: report.budget.spec.clone().ok(),
        name: report.name,
        total: report.total,
        refusing: report.refusing,
    });
    metrics.collect()
}

/// Watches the budgets. `listed` is told of each complete list.
async fn watch(context: &Context, scope: Option<&str>, health: &Health, listed: &Notify) {
    let index = &context.index;
    let api: Api<GuardedBudget> = scoped(health.client(), scope);
    let mut events = watching(api, watch_config(context.config.watch_timeout)).boxed();
    let mut list = Vec::new();
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Init) => list.clear(),
            Ok(Event::InitApply(budget)) => list.push(logged(budget)),
            Ok(Event::InitDone) => {
                health.listed();
                index.list_budgets(scope, std::mem::take(&mut list));
                listed.notify_one();
            }
            Ok(Event::Apply(budget)) => index.show_budget(logged(budget)),
            Ok(Event::Delete(budget)) => index.remove_budget(&budget),
            Err(problem) => {
                health.failed(&problem);
                log_error(&problem, scope);
                // A refusal doesn't pass by itself, so nothing but activations waits for the list.
                if list_refused(&problem) {
                    listed.notify_one();
                }
            }
        }
    }
}

/// Logs a budget that can't be decoded.
fn logged(budget: GuardedBudget) -> GuardedBudget {
    if let Err(problem) = &budget.spec {
        let (namespace, name) = budget.key();
        error!(
            %namespace, name, problem,
            "this version can't decode the OxenBudget, so nothing is activated in its namespace; \
             correct that field, or delete the OxenBudget"
        );
    }
    budget
}

fn log_error(problem: &watcher::Error, scope: Option<&str>) {
    let namespace = scope.unwrap_or(ALL_NAMESPACES);
    if refused_with(problem, 404) {
        error!(
            namespace,
            "the CustomResourceDefinition oxenbudgets.oxen.ai is not installed, and nothing is \
             activated before the budgets have been listed; install it with `oxen-operator crd \
             oxenbudgets | kubectl apply -f -`, or run without --budgets"
        );
    } else {
        warn!(namespace, %problem, "the watch of OxenBudgets failed; retrying");
    }
}

/// Writes the status of each budget when it has changed, each at most once in the interval.
async fn write_statuses(context: &Context, scope: Option<&str>) {
    let index = &context.index;
    let mut changes = index.budget_changes();
    // What counts is not known earlier.
    index.listed().await;
    changes.mark_changed();
    while changes.changed().await.is_ok() {
        for report in index.take_changed_budgets(scope) {
            if let Err(problem) = write_status(context, &report).await {
                warn!(
                    namespace = %report.namespace,
                    name = report.name,
                    %problem,
                    cause = problem.cause(),
                    "the status of the OxenBudget was not written"
                );
                index.budget_not_written(&report);
            }
        }
        sleep(context.config.budget_interval).await;
    }
}

async fn write_status(context: &Context, report: &Report) -> Result<(), ReconcileError> {
    let budget = &report.budget;
    // A budget that can't be decoded keeps its status, which is about an earlier generation.
    let status = report
        .status()
        .filter(|it| Some(it) != budget.status.as_ref());
    let Some(status) = status else {
        return Ok(());
    };
    if !context.authority.holds() {
        // This process may lead again.
        context.index.budget_not_written(report);
        return Ok(());
    }
    let patch = json!({"metadata": {"uid": budget.metadata.uid}, "status": status});
    let (namespace, name) = (report.namespace.as_ref(), report.name.as_str());
    let api: Api<GuardedBudget> = Api::namespaced(context.client.clone(), namespace);
    let (params, patch) = (PatchParams::default(), Patch::Merge(&patch));
    let write = api.patch_status(name, &params, &patch);
    let request = Request::new("writing the status of the OxenBudget", namespace, name);
    match context.send(request, write).await {
        // The budget is gone, or another one has its name. The watch shows that.
        Err(error) if matches!(error.code(), Some(404 | 409)) => Ok(()),
        written => written.map(|_| ()),
    }
}

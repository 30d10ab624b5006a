//! The operator's Deployment and Lease, and whether it keeps up with the objects.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::{apps::v1::Deployment, coordination::v1::Lease};
use kube::{Api, ResourceExt, api::ListParams};

use super::{
    CHART, NAMESPACE, cluster,
    paste::quote,
    report::{Check, Group},
};
use crate::{
    age, clean,
    explain::{Asked, Trouble},
    item::Item,
    objects::{Objects, Scope},
    session::Session,
};

/// The names of the checks.
pub const IDS: [&str; 3] = ["operator-deployment", "operator-lease", "operator-keeps-up"];

/// The label of the operator's Deployment.
const LABEL: &str = "app.kubernetes.io/name=oxen-operator";

/// The name of the Lease.
const LEASE: &str = "oxen-operator";

/// How long after its end a Lease may be taken over.
const TAKEOVER: SignedDuration = SignedDuration::from_secs(30);

/// How long an object may be observed at an older generation.
const LAG: Duration = Duration::from_secs(3);

/// The chart's release.
pub struct Release {
    pub name: String,
    pub namespace: String,
}

impl Release {
    /// The release that a Deployment is of, or the usual one where there is none.
    pub fn of(deployments: &[Deployment]) -> Self {
        let first = deployments.first();
        let label = |one: &Deployment| one.labels().get("app.kubernetes.io/instance").cloned();
        Self {
            name: first.and_then(label).unwrap_or_else(|| LEASE.into()),
            namespace: first
                .and_then(Deployment::namespace)
                .unwrap_or_else(|| NAMESPACE.into()),
        }
    }

    /// The line that installs the chart.
    pub fn install(&self) -> String {
        format!(
            "helm install {} {CHART} --version {} --namespace {} --create-namespace",
            quote(&self.name),
            env!("CARGO_PKG_VERSION"),
            quote(&self.namespace)
        )
    }
}

/// Makes the checks of the Deployments that were found, and of the Lease.
pub async fn check(
    session: &Session,
    found: Result<Vec<Deployment>, Trouble>,
    release: &Release,
) -> Group {
    let deployments = found.as_deref().unwrap_or_default();
    let namespace = &release.namespace;
    let lease = lease(session, namespace, deployments.first()).await;
    let mut checks: Vec<Check> = deployments.iter().map(deployment).collect();
    match found {
        Ok(found) if found.is_empty() => checks.push(missing(release)),
        Ok(_) => {}
        Err(trouble) => checks.push(Check::skip(IDS[0], trouble.why)),
    }
    checks.push(lease);
    Group::new("OPERATOR", format!("namespace {namespace}"), checks)
}

/// The operator's Deployments: in all namespaces, or in the usual one where that is not allowed.
///
/// # Errors
///
/// They can't be listed, or there is none where they may be listed.
pub async fn find(session: &Session) -> Result<Vec<Deployment>, Trouble> {
    let params = ListParams::default().labels(LABEL);
    let asked = |namespace| Asked {
        verb: "list",
        what: "Deployments",
        namespace,
        name: None,
    };
    let all: Api<Deployment> = Api::all(session.client.clone());
    match session.ask(asked(None), all.list(&params)).await {
        Err(trouble) if trouble.forbidden => {
            let usual: Api<Deployment> = Api::namespaced(session.client.clone(), NAMESPACE);
            let listed = session
                .ask(asked(Some(NAMESPACE)), usual.list(&params))
                .await;
            let found = listed?.items;
            if found.is_empty() {
                return Err(trouble);
            }
            Ok(found)
        }
        listed => Ok(listed?.items),
    }
}

fn missing(release: &Release) -> Check {
    let message = format!("there is no Deployment with the label {LABEL}");
    Check::fail(IDS[0], message).fix(release.install())
}

fn deployment(one: &Deployment) -> Check {
    let (name, namespace) = (one.name_any(), one.namespace().unwrap_or_default());
    let wanted = one.spec.replicas.unwrap_or(1);
    let status = one.status.as_ref();
    let ready = status.and_then(|status| status.ready_replicas).unwrap_or(0);
    let version = one.labels().get("app.kubernetes.io/version");
    let version = version.map_or_else(String::new, |it| format!(", version {it}"));
    let message = format!("Deployment {name}: {ready} of {wanted} replicas ready{version}");
    let check = match (ready, wanted) {
        (_, 0) => Check::fail(IDS[0], message).fix(format!(
            "kubectl -n {namespace} scale deployment/{name} --replicas=1"
        )),
        (0, _) => Check::fail(IDS[0], message).fix(format!(
            "kubectl -n {namespace} rollout restart deployment/{name}"
        )),
        (ready, wanted) if ready < wanted => Check::warn(IDS[0], message),
        _ => return Check::ok(IDS[0], message).about(format!("{namespace}/{name}")),
    };
    let check = check.see(format!("kubectl -n {namespace} describe deployment/{name}"));
    check.about(format!("{namespace}/{name}"))
}

async fn lease(session: &Session, namespace: &str, deployment: Option<&Deployment>) -> Check {
    let api: Api<Lease> = Api::namespaced(session.client.clone(), namespace);
    let asked = Asked {
        verb: "get",
        what: "leases",
        namespace: Some(namespace),
        name: Some(LEASE),
    };
    let found = session.ask(asked, api.get(LEASE)).await;
    match found {
        Ok(lease) => {
            let name = deployment.map_or_else(|| LEASE.into(), ResourceExt::name_any);
            // The replicas write the time by the cluster's clock.
            held(&lease, namespace, &name, cluster::time(session).await)
        }
        Err(trouble) if trouble.no_such_object => unelected(deployment),
        Err(trouble) => Check::skip(IDS[1], format!("Lease {LEASE}: {}", trouble.why)),
    }
}

/// The check of a Lease that does not exist.
fn unelected(deployment: Option<&Deployment>) -> Check {
    let message = format!("there is no Lease {LEASE}");
    match deployment.map(|one| one.spec.replicas.unwrap_or(1)) {
        Some(wanted) if wanted > 1 => Check::warn(
            IDS[1],
            format!("{message}: no replica of the {wanted} that are wanted leads"),
        ),
        Some(_) => Check::skip(
            IDS[1],
            format!("{message}: one replica needs no leader election"),
        ),
        None => Check::skip(IDS[1], message),
    }
}

/// Whether a process holds the Lease, and renews it.
fn held(lease: &Lease, namespace: &str, deployment: &str, now: Timestamp) -> Check {
    let spec = lease.spec.clone().unwrap_or_default();
    let holder = spec.holder_identity.filter(|holder| !holder.is_empty());
    let duration = i64::from(spec.lease_duration_seconds.unwrap_or_default());
    let since = spec.renew_time.map(|time| now.duration_since(time.0));
    let limit = SignedDuration::from_secs(duration) + TAKEOVER;
    let message = match (holder, since) {
        (Some(holder), Some(since)) if since <= limit => {
            let holder = clean::line(&holder);
            return Check::ok(IDS[1], format!("Lease {LEASE} is held by {holder}"));
        }
        (Some(_), Some(since)) => format!(
            "Lease {LEASE} was renewed {} ago: no replica leads",
            age::duration(since)
        ),
        _ => format!("Lease {LEASE} has no holder: no replica leads"),
    };
    Check::fail(IDS[1], message).fix(format!(
        "kubectl -n {} logs deployment/{} --tail=50",
        quote(namespace),
        quote(deployment)
    ))
}

/// Whether each object was observed at its newest generation. One that has just been changed is
/// read a second time.
pub async fn keeps_up(session: &Session, objects: &Objects) -> Check {
    if let Scope::None { why } = &objects.scope {
        return Check::skip(IDS[2], why.clone());
    }
    if objects.items().is_empty() {
        return Check::skip(IDS[2], "there are no OxenModels");
    }
    let behind = behind(objects.items());
    if behind.is_empty() {
        return Check::ok(
            IDS[2],
            "it keeps up: every object is observed at its newest generation",
        );
    }
    tokio::time::sleep(LAG).await;
    let again = Objects::load(session).await;
    if let Scope::None { why } = &again.scope {
        return Check::skip(IDS[2], why.clone());
    }
    let still = self::behind(again.items());
    let still: Vec<&String> = behind.iter().filter(|one| still.contains(one)).collect();
    let Some(first) = still.first() else {
        return Check::ok(
            IDS[2],
            "it keeps up: every object is observed at its newest generation",
        );
    };
    let more = match still.len() - 1 {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let (namespace, name) = first.split_once('/').unwrap_or_default();
    // It may wait for a slow hub. Whether it runs at all is the matter of the other checks.
    Check::warn(
        IDS[2],
        format!("it does not keep up: {first}{more} is not observed at its newest generation"),
    )
    .fix(format!("kubectl oxen reconcile {name} -n {namespace}"))
}

/// The objects whose newest generation was not observed.
fn behind(items: &[Item]) -> Vec<String> {
    let is_behind = |item: &&Item| {
        let observed = item.raw.data.pointer("/status/observedGeneration");
        let observed = observed.and_then(serde_json::Value::as_i64);
        observed.unwrap_or(-1) < item.raw.metadata.generation.unwrap_or_default()
    };
    items
        .iter()
        .filter(is_behind)
        .map(Item::full_name)
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::doctor::report::Mark;

    #[test]
    fn a_deployment_without_a_ready_replica_is_a_fault() {
        for (wanted, ready, mark) in [
            (2, 2, Mark::Ok),
            (2, 1, Mark::Warn),
            (1, 0, Mark::Fail),
            (0, 0, Mark::Fail),
        ] {
            let one = serde_json::from_value(json!({
                "metadata": {"name": "op", "namespace": "ns",
                             "labels": {"app.kubernetes.io/version": "0.1.0"}},
                "spec": {"replicas": wanted, "selector": {}, "template": {}},
                "status": {"readyReplicas": ready}}));
            let check = deployment(&one.unwrap());
            assert_eq!(check.result, mark);
            assert_eq!(check.fix.is_empty(), mark != Mark::Fail);
            let message =
                format!("Deployment op: {ready} of {wanted} replicas ready, version 0.1.0");
            assert_eq!(check.message, message);
        }
    }

    #[test]
    fn a_lease_that_nobody_renews_is_a_fault() {
        let now: Timestamp = "2026-11-25T09:12:00Z".parse().unwrap();
        for (spec, mark, words) in [
            (
                json!({"holderIdentity": "pod-1", "leaseDurationSeconds": 30,
                       "renewTime": "2026-11-25T09:11:30.000000Z"}),
                Mark::Ok,
                "is held by pod-1",
            ),
            (
                json!({"holderIdentity": "pod-1", "leaseDurationSeconds": 30,
                       "renewTime": "2026-11-25T09:02:00.000000Z"}),
                Mark::Fail,
                "was renewed 10m ago: no replica leads",
            ),
            (
                json!({"holderIdentity": "", "leaseDurationSeconds": 1,
                       "renewTime": "2026-11-25T09:12:00.000000Z"}),
                Mark::Fail,
                "has no holder",
            ),
            (json!({}), Mark::Fail, "has no holder"),
        ] {
            let lease = serde_json::from_value(json!({"metadata": {}, "spec": spec}));
            let check = held(&lease.unwrap(), "ns", "op", now);
            assert_eq!(check.result, mark, "{}", check.message);
            assert!(check.message.contains(words), "{}", check.message);
            let fix = "kubectl -n ns logs deployment/op --tail=50";
            assert!(check.fix.iter().all(|line| line == fix));
        }
    }

    #[test]
    fn replicas_without_a_lease_have_no_leader() {
        assert_eq!(unelected(None).result, Mark::Skip);
        for (replicas, mark) in [(1, Mark::Skip), (2, Mark::Warn)] {
            let one = serde_json::from_value(json!({"metadata": {},
                "spec": {"replicas": replicas, "selector": {}, "template": {}}}));
            assert_eq!(unelected(Some(&one.unwrap())).result, mark);
        }
    }
}

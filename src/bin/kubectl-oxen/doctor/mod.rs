//! `doctor`: checks of the installation, in groups.
//!
//! All checks are made at the same time, as far as they don't need each other's answers. Their
//! order on the screen is fixed.

mod cluster;
mod hub;
mod keys;
mod models;
mod operator;
mod paste;
mod plugin;
mod report;
mod rights;

use crate::{
    cli::{DoctorArgs, Global},
    console::Console,
    objects::Objects,
    outcome::{Failure, Outcome},
    session::Session,
};
use report::{Check, Group, Report};

/// How the operator is installed, for the lines that can be pasted.
const CHART: &str = "oci://ghcr.io/oxen-ai/charts/oxen-operator";

/// The namespace of the operator where it can't be found.
const NAMESPACE: &str = "oxen-system";

/// Makes all checks and prints them.
///
/// # Errors
///
/// Standard output can't be written.
pub async fn run(flags: &Global, args: &DoctorArgs, console: &Console) -> Result<Outcome, Failure> {
    let hub = hub::Access::new(&args.hub.route, flags, console);
    let groups = match Session::open(flags).await {
        Ok(session) => of_cluster(&session, &hub).await,
        Err(Failure::Because(why)) => without_cluster(&why, &hub).await,
        Err(gone) => return Err(gone),
    };
    let report = Report { groups };
    let text = match args.output {
        Some(form) => report.data(form)?,
        None => report.text(console.width()),
    };
    console.print(&text)?;
    Ok(report.outcome())
}

/// The checks with a cluster.
async fn of_cluster(session: &Session, hub: &hub::Access) -> Vec<Group> {
    let installed = async {
        let found = operator::find(session).await;
        let release = operator::Release::of(found.as_deref().unwrap_or_default());
        futures::join!(
            cluster::crd(session, &release),
            operator::check(session, found, &release)
        )
    };
    let (mut cluster, (crd, mut operator), rights, reached, objects) = futures::join!(
        cluster::check(session),
        installed,
        rights::check(session),
        hub.reach(),
        Objects::load(session),
    );
    let about = cluster::about(session);
    if cluster.iter().any(cluster::is_lost) {
        return unanswered(about, cluster, reached, hub);
    }
    let (keeps_up, keys) = futures::join!(
        operator::keeps_up(session, &objects),
        keys::check(session, &objects, hub, &reached),
    );
    let models = models::check(session, &objects, hub, &keys).await;
    cluster.push(crd);
    operator.checks.push(keeps_up);
    let hub_checks = vec![reached, hub::by_operator(&objects)];
    vec![
        plugin::group(),
        Group::new("CLUSTER", about, cluster),
        operator,
        rights,
        Group::new("HUB", hub.about(), hub_checks),
        Group::new(
            "KEYS",
            String::new(),
            keys.into_iter().map(|it| it.check).collect(),
        ),
        Group::new("MODELS", String::new(), models),
    ]
}

/// The checks where the kubeconfig can't be used.
async fn without_cluster(why: &str, hub: &hub::Access) -> Vec<Group> {
    let reached = hub.reach().await;
    let why = why.trim_end_matches('.');
    unanswered(String::new(), vec![cluster::unusable(why)], reached, hub)
}

/// The groups where the API server doesn't answer. Only the hub is still tried.
fn unanswered(about: String, cluster: Vec<Check>, reached: Check, hub: &hub::Access) -> Vec<Group> {
    let failed: Vec<Check> = cluster.into_iter().filter(cluster::is_lost).collect();
    let skip = |ids: &[&'static str]| {
        let why = "the API server does not answer";
        ids.iter()
            .map(|id| Check::skip(id, why))
            .collect::<Vec<_>>()
    };
    let cluster = failed.into_iter().chain(skip(&cluster::IDS[1..])).collect();
    let hub_checks = std::iter::once(reached).chain(skip(&[hub::BY_OPERATOR]));
    vec![
        plugin::group(),
        Group::new("CLUSTER", about, cluster),
        Group::new("OPERATOR", String::new(), skip(&operator::IDS)),
        Group::new("RIGHTS", String::new(), skip(&rights::ids())),
        Group::new("HUB", hub.about(), hub_checks.collect()),
        Group::new("KEYS", String::new(), skip(&[keys::ACCEPTED])),
        Group::new("MODELS", String::new(), skip(&models::IDS)),
    ]
}

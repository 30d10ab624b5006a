//! What the user may do, by one table of the rights that the commands need.

use futures::future::join_all;
use k8s_openapi::api::{
    authentication::v1::SelfSubjectReview,
    authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec},
};
use kube::{Api, api::PostParams};

use super::{
    paste::quote,
    report::{Check, Group},
};
use crate::{explain::Asked, key, session::Session};

/// A right, and what needs it.
struct Right {
    /// The name of its check.
    id: &'static str,
    verbs: &'static [&'static str],
    group: &'static str,
    resource: &'static str,
    /// What doesn't work without it.
    without: &'static str,
}

/// The rights of the commands, in the order of the report.
const RIGHTS: &[Right] = &[
    Right {
        id: "rights-show",
        verbs: &["get", "list", "watch"],
        group: "oxen.ai",
        resource: "oxenmodels",
        without: "status, cost, schedule and --wait will be refused",
    },
    Right {
        id: "rights-events",
        verbs: &["list"],
        group: "",
        resource: "events",
        without: "status NAME shows no events",
    },
    Right {
        id: "rights-change",
        verbs: &["patch"],
        group: "oxen.ai",
        resource: "oxenmodels",
        without: "on, off, auto, suspend, resume, reconcile and release will be refused",
    },
];

/// The right to read API keys, in place of which OXEN_API_KEY will do.
const SECRETS: Right = Right {
    id: "rights-key",
    verbs: &["get"],
    group: "",
    resource: "secrets",
    without: "models, search, model and import need OXEN_API_KEY",
};

/// The names of the checks.
pub fn ids() -> Vec<&'static str> {
    let all = RIGHTS.iter().chain([&SECRETS]);
    all.map(|right| right.id).collect()
}

/// Checks all rights in the session's namespace.
pub async fn check(session: &Session) -> Group {
    let user = user(session).await;
    let all = RIGHTS.iter().chain([&SECRETS]);
    let checks = join_all(all.map(|right| one(session, user.as_deref(), right))).await;
    let shown = user.as_ref().unwrap_or(&session.place().user);
    let about = format!("user {shown}, namespace {}", session.namespace);
    Group::new("RIGHTS", about, checks)
}

/// The user as the API server names it, which need not be the name of the kubeconfig's entry.
async fn user(session: &Session) -> Option<String> {
    let api: Api<SelfSubjectReview> = Api::all(session.client.clone());
    let (params, review) = (PostParams::default(), SelfSubjectReview::default());
    let asked = asked("SelfSubjectReviews");
    let answer = session.ask(asked, api.create(&params, &review)).await.ok();
    answer.and_then(|answer| answer.status?.user_info?.username)
}

fn asked(what: &str) -> Asked<'_> {
    Asked {
        verb: "create",
        what,
        namespace: None,
        name: None,
    }
}

async fn one(session: &Session, user: Option<&str>, right: &Right) -> Check {
    let asked = right.verbs.iter().map(|verb| may(session, right, verb));
    let answers: Result<Vec<bool>, String> = join_all(asked).await.into_iter().collect();
    let answers = match answers {
        Ok(answers) => answers,
        Err(why) => return Check::skip(right.id, why),
    };
    let pairs = right.verbs.iter().zip(answers);
    let missing: Vec<&str> = pairs
        .filter(|(_, may)| !may)
        .map(|(verb, _)| *verb)
        .collect();
    let (resource, namespace) = (right.resource, &session.namespace);
    if missing.is_empty() {
        return Check::ok(right.id, format!("{} {resource}", right.verbs.join(", ")));
    }
    let missing = missing.join(", ");
    if right.id == SECRETS.id && matches!(key::of_environment(), Ok(Some(_))) {
        let message = format!("{missing} {resource}: not allowed. OXEN_API_KEY is used instead");
        return Check::ok(right.id, message);
    }
    let message = format!("{missing} {resource}: not allowed. {}", right.without);
    let check = Check::warn(right.id, message);
    if right.id == SECRETS.id {
        return check.fix("export OXEN_API_KEY=YOUR_API_KEY");
    }
    let Some(user) = user else {
        return check;
    };
    grants(right, namespace, user)
        .into_iter()
        .fold(check, Check::fix)
}

/// Returns the commands that grant a right to a user by a Role of its own. The chart's ClusterRoles
/// may be missing, and their names depend on the release.
fn grants(right: &Right, namespace: &str, user: &str) -> [String; 2] {
    let create = format!("kubectl -n {} create", quote(namespace));
    let role = right.id.replace("rights", "kubectl-oxen");
    let verbs = right.verbs.join(",");
    let resource = [right.resource, right.group].join(".");
    let resource = resource.trim_end_matches('.');
    [
        format!("{create} role {role} --verb={verbs} --resource={resource}"),
        format!(
            "{create} rolebinding {role} --role={role} {}",
            subject(user)
        ),
    ]
}

/// The flag that names a user, or the account of a pod.
fn subject(user: &str) -> String {
    quote(&match user.strip_prefix("system:serviceaccount:") {
        Some(account) => format!("--serviceaccount={account}"),
        None => format!("--user={user}"),
    })
}

async fn may(session: &Session, right: &Right, verb: &str) -> Result<bool, String> {
    let review = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(ResourceAttributes {
                group: Some(right.group.into()),
                resource: Some(right.resource.into()),
                verb: Some(verb.into()),
                namespace: Some(session.namespace.clone()),
                ..ResourceAttributes::default()
            }),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    };
    let api: Api<SelfSubjectAccessReview> = Api::all(session.client.clone());
    let params = PostParams::default();
    let asked = asked("SelfSubjectAccessReviews");
    let answer = session.ask(asked, api.create(&params, &review)).await;
    let answer = answer.map_err(|trouble| trouble.why)?;
    Ok(answer.status.is_some_and(|status| status.allowed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_right_is_granted_by_a_role_of_its_own() {
        let lines: Vec<String> = RIGHTS
            .iter()
            .flat_map(|right| grants(right, "team-a", "jane"))
            .collect();
        let create = "kubectl -n team-a create";
        assert_eq!(
            lines[..4],
            [
                format!(
                    "{create} role kubectl-oxen-show --verb=get,list,watch \
                     --resource=oxenmodels.oxen.ai"
                ),
                format!(
                    "{create} rolebinding kubectl-oxen-show --role=kubectl-oxen-show --user=jane"
                ),
                format!("{create} role kubectl-oxen-events --verb=list --resource=events"),
                format!(
                    "{create} rolebinding kubectl-oxen-events --role=kubectl-oxen-events \
                     --user=jane"
                ),
            ]
        );
    }

    #[test]
    fn a_pods_account_is_named_as_kubectl_names_it() {
        assert_eq!(subject("jane"), "--user=jane");
        assert_eq!(subject("o'neil x"), r"'--user=o'\''neil x'");
        assert_eq!(
            subject("system:serviceaccount:ci:deploy"),
            "--serviceaccount=ci:deploy"
        );
    }
}

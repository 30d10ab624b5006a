//! The API server, its clock, and the CustomResourceDefinition.

use std::collections::BTreeSet;

use http::{Request, header::DATE};
use jiff::{SignedDuration, Timestamp, fmt::rfc2822::DateTimeParser};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use kube::{Api, api::ListParams, client::Body};
use tokio::time::Instant;

use super::{CHART, operator::Release, paste::quote, report::Check};
use crate::{
    age,
    explain::{Asked, Trouble},
    session::Session,
};

/// The names of the checks.
pub const IDS: [&str; 3] = ["api-server", "clock", "crd"];

const CRD: &str = "oxenmodels.oxen.ai";

/// The largest difference of two clocks that does no harm.
const SKEW: SignedDuration = SignedDuration::from_secs(30);

/// What the checks are about.
pub fn about(session: &Session) -> String {
    let place = session.place();
    let context = place.context.as_ref();
    let context = context.map_or_else(String::new, |name| format!("context {name}, "));
    format!("{context}{}, user {}", place.server, place.user)
}

/// Returns true for the failure after which nothing else of the cluster can be checked.
pub fn is_lost(check: &Check) -> bool {
    check.id == IDS[0] && !check.fix.is_empty()
}

/// The check of a kubeconfig that can't be used.
pub fn unusable(why: &str) -> Check {
    Check::fail(IDS[0], why).fix("kubectl config get-contexts")
}

/// Makes the checks of the API server and its clock.
pub async fn check(session: &Session) -> Vec<Check> {
    let (api_server, clock) = futures::join!(api_server(session), clock(session));
    vec![api_server, clock]
}

async fn api_server(session: &Session) -> Check {
    let begun = Instant::now();
    let asked = asked("get", "the version");
    let version = session.ask(asked, session.client.apiserver_version()).await;
    match version {
        Ok(version) => {
            let took = begun.elapsed().as_millis();
            let version = version.git_version;
            Check::ok(IDS[0], format!("API server {version} answers ({took} ms)"))
        }
        // Some clusters show their version to nobody.
        Err(trouble) if trouble.forbidden => Check::ok(IDS[0], "the API server answers"),
        Err(trouble) => unusable(&trouble.why),
    }
}

/// The difference of the clocks.
async fn clock(session: &Session) -> Check {
    let before = Timestamp::now();
    match date(session).await {
        Ok(date) => compared(date, before, Timestamp::now()),
        Err(why) => Check::skip(IDS[1], why),
    }
}

/// The time by the API server's clock, or by this machine's where that is not known.
pub async fn time(session: &Session) -> Timestamp {
    let date = date(session).await;
    date.unwrap_or_else(|_| Timestamp::now())
}

/// The header `Date` of an answer, which holds whole seconds, or why there is none.
async fn date(session: &Session) -> Result<Timestamp, String> {
    let request = Request::get("/version").body(Body::empty());
    let request = request.map_err(|error| error.to_string())?;
    let answer = session.ask(asked("get", "the version"), session.client.send(request));
    let answer = answer.await.map_err(|trouble| trouble.why)?;
    let date = answer
        .headers()
        .get(DATE)
        .and_then(|date| date.to_str().ok());
    let date = date.and_then(|date| DateTimeParser::new().parse_timestamp(date).ok());
    date.ok_or_else(|| "the API server's answer has no time".into())
}

/// Compares the time of an answer with the times before and after it.
fn compared(date: Timestamp, before: Timestamp, after: Timestamp) -> Check {
    let second = SignedDuration::from_secs(1);
    // The answer's time lies within its second.
    let behind = before.duration_since(date) - second;
    let ahead = date.duration_since(after);
    let (apart, side) = if ahead > behind {
        (ahead, "behind")
    } else {
        (behind, "ahead of")
    };
    if apart <= second {
        return Check::ok(
            IDS[1],
            "this machine's clock is within 1 s of the API server's",
        );
    }
    let message = format!(
        "this machine's clock is {} {side} the API server's",
        age::duration(apart)
    );
    if apart <= SKEW {
        return Check::ok(IDS[1], message);
    }
    Check::warn(
        IDS[1],
        format!("{message}, so overrides end at another time"),
    )
    .fix("sudo timedatectl set-ntp true")
}

/// Whether the definition has the fields of this version.
pub async fn crd(session: &Session, release: &Release) -> Check {
    let id = IDS[2];
    let api: Api<CustomResourceDefinition> = Api::all(session.client.clone());
    let asked = Asked {
        name: Some(CRD),
        ..asked("get", "CustomResourceDefinitions")
    };
    match session.ask(asked, api.get(CRD)).await {
        Ok(found) => fields(&found, release),
        Err(trouble) if trouble.no_such_object => not_installed(release),
        Err(trouble) if trouble.forbidden => by_list(session, &trouble, release).await,
        Err(trouble) => Check::skip(id, trouble.why),
    }
}

/// What a list of objects says of the definition, where that itself may not be read.
async fn by_list(session: &Session, trouble: &Trouble, release: &Release) -> Check {
    let api = session.models(Some(&session.namespace));
    let params = ListParams::default().limit(1);
    let listed = session
        .ask(session.asked("list", None), api.list(&params))
        .await;
    match listed {
        Err(Trouble {
            not_installed: true,
            ..
        }) => not_installed(release),
        Ok(_) => Check::skip(IDS[2], format!("OxenModels are installed; {}", trouble.why)),
        Err(_) => Check::skip(IDS[2], trouble.why.clone()),
    }
}

fn not_installed(release: &Release) -> Check {
    let check = Check::fail(IDS[2], "OxenModels are not installed in this cluster");
    check.fix(release.install())
}

fn fields(found: &CustomResourceDefinition, release: &Release) -> Check {
    let version = env!("CARGO_PKG_VERSION");
    let known = oxen_operator::api::crd();
    let (mut own, mut theirs) = (BTreeSet::new(), BTreeSet::new());
    collect(schema(&known), "", &mut own);
    collect(schema(found), "", &mut theirs);
    let missing: Vec<&str> = own.difference(&theirs).map(String::as_str).collect();
    let Some(first) = missing.first() else {
        let message = format!("CRD {CRD} has the fields that this plugin knows ({version})");
        return Check::ok(IDS[2], message);
    };
    let more = match missing.len() - 1 {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Check::fail(
        IDS[2],
        format!("CRD {CRD} is older than this plugin ({version}): it has no {first}{more}"),
    )
    .fix(format!(
        "helm upgrade {} {CHART} --version {version} --namespace {} --reset-then-reuse-values",
        quote(&release.name),
        quote(&release.namespace)
    ))
}

/// The schema of the stored version.
fn schema(crd: &CustomResourceDefinition) -> Option<&JSONSchemaProps> {
    let versions = &crd.spec.versions;
    let version = versions.iter().find(|version| version.name == "v1alpha1")?;
    version.schema.as_ref()?.open_api_v3_schema.as_ref()
}

/// Collects the paths of all fields.
fn collect(schema: Option<&JSONSchemaProps>, path: &str, paths: &mut BTreeSet<String>) {
    let Some(schema) = schema else {
        return;
    };
    for (name, inner) in schema.properties.iter().flatten() {
        let path = if path.is_empty() {
            name.clone()
        } else {
            format!("{path}.{name}")
        };
        collect(Some(inner), &path, paths);
        paths.insert(path);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(inner)) = &schema.items {
        collect(Some(inner), path, paths);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(inner)) = &schema.additional_properties {
        collect(Some(inner), path, paths);
    }
}

fn asked<'a>(verb: &'a str, what: &'a str) -> Asked<'a> {
    Asked {
        verb,
        what,
        namespace: None,
        name: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::report::Mark;

    #[test]
    fn clocks_are_compared_by_whole_seconds() {
        let time = |text: &str| text.parse::<Timestamp>().unwrap();
        let (before, after) = (
            time("2026-11-25T09:12:00.9Z"),
            time("2026-11-25T09:12:01.1Z"),
        );
        for (date, mark, words) in [
            ("2026-11-25T09:12:00Z", Mark::Ok, "within 1 s"),
            ("2026-11-25T09:12:01Z", Mark::Ok, "within 1 s"),
            ("2026-11-25T09:11:40Z", Mark::Ok, "19s ahead of"),
            ("2026-11-25T09:12:21Z", Mark::Ok, "19s behind"),
            ("2026-11-25T09:10:00Z", Mark::Warn, "119s ahead of"),
            (
                "2026-11-25T10:12:00Z",
                Mark::Warn,
                "behind the API server's, so",
            ),
        ] {
            let check = compared(time(date), before, after);
            assert_eq!(check.result, mark, "{date}: {}", check.message);
            assert!(check.message.contains(words), "{date}: {}", check.message);
        }
    }

    #[test]
    fn a_field_that_the_cluster_does_not_know_is_named() {
        let mut crd = oxen_operator::api::crd();
        let release = Release {
            name: "team-oxen".into(),
            namespace: "tools".into(),
        };
        assert_eq!(fields(&crd, &release).result, Mark::Ok);
        let version = crd.spec.versions.first_mut().unwrap();
        let schema = version
            .schema
            .as_mut()
            .unwrap()
            .open_api_v3_schema
            .as_mut()
            .unwrap();
        let status = schema
            .properties
            .as_mut()
            .unwrap()
            .get_mut("status")
            .unwrap();
        status
            .properties
            .as_mut()
            .unwrap()
            .remove("handledOverride");
        let check = fields(&crd, &release);
        let fix = check.fix.first().unwrap();
        assert!(fix.starts_with("helm upgrade team-oxen oci:") && fix.contains("namespace tools "));
        assert_eq!(check.result, Mark::Fail);
        assert!(
            check.message.ends_with("it has no status.handledOverride"),
            "{}",
            check.message
        );
    }
}

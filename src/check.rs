//! `oxen-operator check`: whether the hub can be reached and accepts the API key. It lists the
//! models, with the key and without one, which changes nothing.

use std::ops::ControlFlow;

use crate::{
    config::{ConfigError, HubArgs, KeySourceError},
    decide::HubFault,
    hub::{Client, Limits, SetupError},
};

/// Why the hub can't be used.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// A setting can't be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The operator has no API key.
    #[error("there is no API key: set OXEN_API_KEY_FILE or OXEN_API_KEY")]
    NoKey,
    /// The operator's API key can't be used.
    #[error(transparent)]
    Key(#[from] KeySourceError),
    /// The HTTP client could not be built.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// The hub gave no usable answer.
    #[error("{hub} {}", words(.fault))]
    Hub {
        /// The hub's URL.
        hub: String,
        /// The hub's fault.
        fault: HubFault,
    },
}

/// Lists the models, and asks for the list once without the key. `environment` is the value of the
/// environment variable `OXEN_API_KEY`, if it is set. A hub that also lists its models without
/// a key is no error: the report says that the key is not proven.
///
/// # Errors
///
/// Says why the hub can't be used, and which setting to check.
pub async fn check(args: &HubArgs, environment: Option<Vec<u8>>) -> Result<String, CheckError> {
    let (route, warnings) = args.route.route()?;
    let hub = route.base.to_string();
    let source = args.key(environment.as_deref())?;
    let key = source.ok_or(CheckError::NoKey)?.key().await?;
    let client = Client::new(route, Limits::default(), |_, _, _| ())?;
    let mut models = 0_usize;
    let count = |_| {
        models += 1;
        ControlFlow::Continue(())
    };
    let listed = client.list_each(&key, None, None, count).await;
    let unreadable = listed.map_err(|fault| CheckError::Hub {
        hub: hub.clone(),
        fault,
    })?;
    let mut report = match client.needs_key().await {
        Ok(true) => {
            format!("{hub} can be reached and accepts the API key. It lists {models} models.\n")
        }
        Ok(false) => format!(
            "{hub} can be reached. It lists {models} models, with the API key and without one, so \
             the key is not proven. To prove it, create an OxenModel of a custom model, and check \
             that its condition Synced is True.\n"
        ),
        Err(fault) => format!(
            "{hub} can be reached and lists {models} models with the API key. Without a key, it \
             {}. So the key is not proven. To prove it, create an OxenModel of a custom model, and \
             check that its condition Synced is True.\n",
            words(&fault)
        ),
    };
    if unreadable > 0 {
        report += &format!("{unreadable} more items of the list can't be read.\n");
    }
    for warning in warnings {
        report += &format!("{warning}.\n");
    }
    Ok(report)
}

fn words(fault: &HubFault) -> String {
    match fault {
        HubFault::Unauthenticated => "doesn't accept the API key".into(),
        HubFault::Forbidden(words) => format!("doesn't allow this API key to list models: {words}"),
        HubFault::PaymentRequired(words) => format!("requires payment: {words}"),
        HubFault::RateLimited { .. } => "limits the rate of requests; try again later".into(),
        HubFault::Unreachable(words) => {
            format!("can't be reached: {words}; check OXEN_BASE_URL and OXEN_PROXY")
        }
        HubFault::ProviderFailed(words) => {
            format!("was reached, and its provider failed: {words}; try again later")
        }
        HubFault::Unexpected(words)
        | HubFault::Rejected(words)
        | HubFault::ModelMismatch(words) => {
            format!(
                "gave a response that can't be read: {words}; check that OXEN_BASE_URL is the hub's URL"
            )
        }
        HubFault::ModelNotFound(_) => "has no list of models".into(),
    }
}

#[cfg(test)]
mod tests {
    use axum::{
        Router,
        http::{HeaderMap, StatusCode, header::AUTHORIZATION},
        routing::get,
    };
    use clap::Parser;

    use super::*;
    use crate::config::{Cli, Command};

    type Answer = (StatusCode, String);

    /// The report of `check` about a hub that gives these answers to requests with and without a
    /// key.
    async fn report(with_key: Answer, without_key: Answer) -> Result<String, String> {
        let list = |headers: HeaderMap| async move {
            if headers.contains_key(AUTHORIZATION) {
                with_key
            } else {
                without_key
            }
        };
        let router = Router::new().route("/api/ai/models", get(list));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let cli = Cli::try_parse_from(["oxen-operator", "check", "--base-url", &url]).unwrap();
        let Command::Check(args) = cli.command else {
            panic!("check was asked for")
        };
        let checked = check(&args, Some(b"a-secret-key".to_vec())).await;
        checked.map_err(|error| error.to_string())
    }

    fn ok(body: &str) -> Answer {
        (StatusCode::OK, body.to_owned())
    }

    fn refused(code: u16) -> Answer {
        (
            StatusCode::from_u16(code).unwrap(),
            r#"{"error":"no"}"#.to_owned(),
        )
    }

    const LIST: &str = r#"{"object":"list","data":[{"id":"bot","owned_by":"acme"}]}"#;

    #[tokio::test]
    async fn a_key_is_proven_where_the_hub_refuses_the_list_without_one() {
        for code in [401, 403] {
            let report = report(ok(LIST), refused(code)).await.unwrap();
            assert!(report.contains("accepts the API key"), "{report}");
            assert!(
                report.contains("1 models") && !report.contains("proven"),
                "{report}"
            );
        }
    }

    #[tokio::test]
    async fn a_key_is_not_proven_where_the_list_needs_none() {
        for without_key in [
            ok(LIST),
            refused(500),
            (StatusCode::FORBIDDEN, "<html>".into()),
        ] {
            let report = report(ok(LIST), without_key).await.unwrap();
            assert!(report.contains("the key is not proven"), "{report}");
            assert!(report.contains("Synced"), "{report}");
            assert!(!report.contains("accepts"), "{report}");
        }
    }

    #[tokio::test]
    async fn a_refused_key_is_an_error_whatever_works_without_one() {
        let error = report(refused(401), ok(LIST)).await.unwrap_err();
        assert!(error.contains("doesn't accept the API key"), "{error}");
        let body = r#"{"error":{"title":"The model provider returned an error."}}"#;
        let failed = (StatusCode::BAD_GATEWAY, body.to_owned());
        let error = report(failed, ok(LIST)).await.unwrap_err();
        assert!(
            error.contains("its provider failed: The model provider"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn a_long_list_with_odd_items_is_counted() {
        let schema = "x".repeat(3000);
        let models = (0..10_000).map(|number| {
            let owner = if number % 1000 == 7 {
                "null"
            } else {
                r#""acme""#
            };
            format!(r#"{{"id":"bot-{number}","owned_by":{owner},"request_schema":"{schema}"}}"#)
        });
        let list = format!(r#"{{"data":[{}]}}"#, models.collect::<Vec<_>>().join(","));
        assert!(list.len() > 30_000_000);
        let report = report(ok(&list), refused(401)).await.unwrap();
        assert!(report.contains("It lists 9990 models"), "{report}");
        assert!(
            report.contains("10 more items of the list can't be read"),
            "{report}"
        );
    }
}

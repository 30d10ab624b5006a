use std::time::Duration;

use axum::http::{HeaderMap, Method, StatusCode, header::RETRY_AFTER};

use super::{Answer, Seen, Server, answer, key};
use crate::{
    api::OperationKind,
    decide::{CallOutcome, HubFault},
    hub::{LimitedClient, Limits, Priority, RateLimits},
};

fn limited() -> Answer {
    let mut headers = HeaderMap::new();
    headers.insert(RETRY_AFTER, "600".parse().unwrap());
    let words = "the plan allows 3 active deployments";
    let body = format!(r#"{{"error":{{"type":"insufficient_quota","message":"{words}"}}}}"#);
    (StatusCode::TOO_MANY_REQUESTS, headers, body)
}

/// A limited client of a hub that answers some requests with 429.
async fn client(limits: fn(&Seen) -> bool) -> LimitedClient {
    let server = Server::start(move |request| {
        if limits(request) {
            limited()
        } else {
            answer(200, r#"{"id":"bot","owned_by":"acme"}"#)
        }
    })
    .await;
    LimitedClient::new(server.client(Limits::default()), RateLimits::default())
}

async fn call(client: &LimitedClient, kind: OperationKind) -> Result<CallOutcome, HubFault> {
    let key = key();
    let permit = client.permit(&key, Priority::Call(kind)).await?;
    Ok(permit.call("bot", kind, "id").await)
}

async fn observe(client: &LimitedClient) -> Result<(), HubFault> {
    let key = key();
    let permit = client.permit(&key, Priority::Urgent).await?;
    permit.retrieve("bot", true).await.map(|_| ())
}

#[tokio::test]
async fn a_429_to_a_call_freezes_nothing_else_of_the_key() {
    let client = client(|request| request.path.ends_with("/activate")).await;
    for _ in 0..3 {
        let refused = CallOutcome::refused(HubFault::RateLimited {
            wait: Some(Duration::from_secs(600)),
            whole_key: true,
            words: Some("the plan allows 3 active deployments".into()),
        });
        assert_eq!(call(&client, OperationKind::Activate).await, Ok(refused));
        assert_eq!(observe(&client).await, Ok(()));
        let turned_off = call(&client, OperationKind::Deactivate).await;
        assert_eq!(turned_off, Ok(CallOutcome::Accepted));
    }
}

#[tokio::test]
async fn a_429_to_a_get_stops_every_request_of_the_key() {
    let client = client(|request| request.method == Method::GET).await;
    assert!(observe(&client).await.is_err());
    for kind in [OperationKind::Activate, OperationKind::Deactivate] {
        let stopped = call(&client, kind).await;
        assert!(
            matches!(
                stopped,
                Err(HubFault::RateLimited {
                    whole_key: true,
                    ..
                })
            ),
            "{stopped:?}"
        );
    }
}

use axum::http::header::{ACCEPT, ACCEPT_ENCODING};
use tokio::{io::AsyncWriteExt, net::TcpListener};

use super::{Server, answer, key};
use crate::{
    api::OperationKind,
    decide::{CallOutcome, HubFault},
    hub::{Client, Limits, Route},
};

#[tokio::test]
async fn every_request_asks_for_json_that_is_not_compressed() {
    let server = Server::start(|_| answer(200, r#"{"id":"bot","owned_by":"acme"}"#)).await;
    let client = server.client(Limits::default());
    let _ = client.list(&key(), None, None).await;
    let _ = client.needs_key().await;
    let _ = client.search(&key(), "bot").await;
    let _ = client.retrieve(&key(), "bot", true).await;
    client
        .call(&key(), "bot", OperationKind::Activate, "id")
        .await;
    let seen = server.seen();
    assert_eq!(seen.len(), 5);
    for request in seen {
        assert_eq!(request.headers[ACCEPT], "application/json", "{request:?}");
        assert_eq!(request.headers[ACCEPT_ENCODING], "identity", "{request:?}");
    }
}

#[tokio::test]
async fn a_model_is_read_whatever_its_other_fields_hold() {
    let nested = format!("{}{}", "[".repeat(200), "]".repeat(200));
    let number = "9".repeat(400);
    let body = format!(
        "\u{feff}{{\"id\":\"bot\",\"owned_by\":\"acme\",\"new\":{nested},\"created\":{number},\
         \"summary\":\"\\ud800\",\"request_schema\":{nested},\"fine_tuning\":{nested},\
         \"deployments\":[{{\"status\":\"active\",\"scale\":{number},\"tree\":{nested}}}]}}"
    );
    let server = Server::start(move |_| answer(200, &body)).await;
    let client = server.client(Limits::default());
    let model = client.retrieve(&key(), "bot", true).await.unwrap();
    let items = model.deployments.unwrap();
    let status = items[0].as_ref().unwrap().status.as_ref().unwrap();
    assert_eq!(status.as_str(), "active");
    assert_eq!((model.created, model.summary), (None, None));
    let other = client.retrieve(&key(), "other", true).await.unwrap();
    assert_eq!(other.id, "bot", "the identity is compared elsewhere");
}

#[tokio::test]
async fn an_identity_that_holds_the_key_is_taken_only_where_it_was_asked_for() {
    let server = Server::start(|_| answer(200, r#"{"id":"very-secret","owned_by":"acme"}"#)).await;
    let client = server.client(Limits::default());
    assert!(client.retrieve(&key(), "very-secret", true).await.is_ok());
    let fault = client.retrieve(&key(), "bot", true).await.unwrap_err();
    let words = "the field id contains the API key";
    assert_eq!(fault, HubFault::Unexpected(words.into()));
}

/// A proxy that wants credentials, whatever it is asked.
async fn refusing_proxy() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let refusal = b"HTTP/1.1 407 Who?\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            let _ = stream.write_all(refusal).await;
            let _ = stream.shutdown().await;
        }
    });
    address.to_string()
}

#[tokio::test]
async fn a_proxy_that_refuses_is_no_refusal_of_the_hub_and_is_never_shown() {
    for proxy in [refusing_proxy().await, "127.0.0.1:1".into()] {
        for base in ["http://hub.invalid", "https://hub.invalid"] {
            let base: url::Url = base.parse().unwrap();
            let route = Route {
                proxy: Some(format!("http://user:s3cret@{proxy}").parse().unwrap()),
                ..base.into()
            };
            let client = Client::new(route, Limits::default(), |_, _, _| ()).unwrap();
            let fault = client.retrieve(&key(), "bot", true).await.unwrap_err();
            assert!(matches!(fault, HubFault::Unreachable(_)), "{fault:?}");
            let kind = OperationKind::Activate;
            let outcome = client.call(&key(), "bot", kind, "id").await;
            // Where no connection to the hub came about, it is known that nothing was sent.
            let not_refused = matches!(
                outcome,
                CallOutcome::Unknown { .. }
                    | CallOutcome::Refused {
                        fault: HubFault::Unreachable(_),
                        ..
                    }
            );
            assert!(not_refused, "{outcome:?}");
            let shown = format!("{client:?} {fault:?} {outcome:?}");
            assert!(
                !shown.contains("s3cret") && !shown.contains("user"),
                "{shown}"
            );
        }
    }
}

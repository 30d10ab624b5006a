//! TLS and name resolution: no request is sent to a hub whose certificate isn't trusted.

use clap::Parser;
use oxen_operator::{
    api::OperationKind,
    config::{Cli, Command},
    decide::{CallOutcome, HubFault},
    hub::{Client, Limits, Route},
};
use testkit::{
    raw::{RawServer, key},
    tls::{Authority, TlsFront},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    sync::oneshot,
};

const MODEL: &str = r#"{"id":"bot","object":"model","created":1,"owned_by":"acme"}"#;

/// Starts a hub at `https://localhost` with its own certificate authority. Returns its URL and the
/// authority's certificate as PEM.
async fn start_hub() -> (String, String) {
    let server = RawServer::start().await;
    server.respond(200, "", MODEL.as_bytes());
    let authority = Authority::default();
    let front = TlsFront::start(server.url.as_str(), &authority).await;
    (front.url, authority.pem())
}

fn client(url: &str, authorities: Option<&str>) -> Client {
    let authorities = authorities.map(|pem| pem.as_bytes().to_vec());
    let base: url::Url = url.parse().unwrap();
    let route = Route {
        authorities,
        ..base.into()
    };
    Client::new(route, Limits::default(), |_, _, _| ()).unwrap()
}

#[tokio::test]
async fn a_configured_certificate_authority_is_trusted() {
    let (url, pem) = start_hub().await;
    let client = client(&url, Some(&pem));
    let model = client.retrieve(&key(), "bot", true).await.unwrap();
    assert_eq!(model.id, "bot");
    let outcome = client
        .call(&key(), "bot", OperationKind::Activate, "an-id")
        .await;
    assert_eq!(outcome, CallOutcome::Accepted);
}

/// How the hub is reached with this file of authorities, and the warnings about it.
fn route(url: &str, pem: &str) -> (Route, Vec<String>) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, pem).unwrap();
    let path = file.path().to_str().unwrap();
    let flags = [
        "oxen-operator",
        "check",
        "--base-url",
        url,
        "--ca-file",
        path,
    ];
    let Command::Check(args) = Cli::try_parse_from(flags).unwrap().command else {
        panic!("check was asked for")
    };
    args.route.route().unwrap()
}

#[tokio::test]
async fn a_bundle_with_a_certificate_that_cannot_be_used_is_trusted_without_it() {
    let (url, pem) = start_hub().await;
    let unusable = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
    let other = Authority::default().pem();
    for (bundle, skipped, trusted) in [
        (format!("{pem}{unusable}{other}"), 1, true),
        (format!("{unusable}{other}{unusable}{pem}"), 2, true),
        (format!("{other}{unusable}"), 1, false),
        (format!("{other}{pem}"), 0, true),
    ] {
        let (route, warnings) = route(&url, &bundle);
        let words = format!("{skipped} of them can't be used");
        let warned = warnings.iter().filter(|one| one.contains(&words)).count();
        assert_eq!(warned, usize::from(skipped > 0), "{warnings:?}");
        let client = Client::new(route, Limits::default(), |_, _, _| ()).unwrap();
        let retrieved = client.retrieve(&key(), "bot", true).await;
        assert_eq!(retrieved.is_ok(), trusted, "{retrieved:?}");
    }
}

#[tokio::test]
async fn new_authorities_are_trusted_from_the_next_request_on() {
    let (first, second) = (Authority::default(), Authority::default());
    let server = RawServer::start().await;
    server.respond(200, "", MODEL.as_bytes());
    let front = TlsFront::start(server.url.as_str(), &first).await;
    let client = client(&front.url, Some(&first.pem()));
    client.retrieve(&key(), "bot", true).await.unwrap();
    for (served, trusted, works) in [
        (&second, &first, false),
        (&second, &second, true),
        (&first, &second, false),
        (&first, &first, true),
    ] {
        front.restart_with(served);
        client.http().trust(trusted.pem().into_bytes()).unwrap();
        let retrieved = client.retrieve(&key(), "bot", true).await;
        assert_eq!(retrieved.is_ok(), works, "{retrieved:?}");
    }
    // Certificates that can't be used change nothing.
    let unusable = b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
    client.http().trust(unusable.to_vec()).unwrap_err();
    client.retrieve(&key(), "bot", true).await.unwrap();
}

/// A server that reports its first request and answers it when it is allowed to.
async fn held_server() -> (String, oneshot::Receiver<()>, oneshot::Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (arrive, arrived) = oneshot::channel();
    let (answer, allowed) = oneshot::channel();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 4096]).await.unwrap();
        arrive.send(()).unwrap();
        allowed.await.unwrap();
        let length = MODEL.len();
        let response = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{MODEL}");
        stream.write_all(response.as_bytes()).await.unwrap();
    });
    (url, arrived, answer)
}

#[tokio::test]
async fn a_request_in_flight_survives_new_authorities() {
    let authority = Authority::default();
    let (url, arrived, answer) = held_server().await;
    let front = TlsFront::start(&url, &authority).await;
    let client = client(&front.url, Some(&authority.pem()));
    let key = key();
    let (retrieved, ()) = tokio::join!(client.retrieve(&key, "bot", true), async {
        arrived.await.unwrap();
        let other = Authority::default();
        client.http().trust(other.pem().into_bytes()).unwrap();
        answer.send(()).unwrap();
    });
    assert_eq!(retrieved.unwrap().id, "bot");
}

/// Checks that neither a GET nor a call gets as far as a request.
async fn assert_no_connection(client: &Client) {
    let retrieved = client.retrieve(&key(), "bot", true).await;
    assert!(
        matches!(retrieved, Err(HubFault::Unreachable(_))),
        "{retrieved:?}"
    );
    let outcome = client
        .call(&key(), "bot", OperationKind::Activate, "an-id")
        .await;
    assert!(
        matches!(
            outcome,
            CallOutcome::Refused {
                fault: HubFault::Unreachable(_),
                ..
            }
        ),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn a_hub_with_an_untrusted_certificate_gets_no_request() {
    let (url, _) = start_hub().await;
    assert_no_connection(&client(&url, None)).await;
}

#[tokio::test]
async fn a_hub_whose_name_does_not_resolve_gets_no_request() {
    assert_no_connection(&client("http://hub.invalid", None)).await;
}

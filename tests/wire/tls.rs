//! TLS and name resolution: no request is sent to a hub whose certificate isn't trusted.

use std::sync::Arc;

use clap::Parser;
use oxen_operator::{
    api::OperationKind,
    config::{Cli, Command},
    decide::{CallOutcome, HubFault},
    hub::{Client, Limits, Route},
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use testkit::raw::key;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::aws_lc_rs,
        pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    },
};

/// Starts a hub at `https://localhost` with its own certificate authority. Returns its URL and the
/// authority's certificate as PEM.
async fn start_hub() -> (String, String) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let server_key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    let certificate = params.signed_by(&server_key, &authority).unwrap();
    let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(server_key.serialize_der()));
    let config = ServerConfig::builder_with_provider(aws_lc_rs::default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], private)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let mut stream = acceptor.accept(stream).await?;
                // The head of the request arrives in one piece, and isn't parsed.
                let mut head = [0; 4096];
                let _ = stream.read(&mut head).await?;
                let body = r#"{"id":"bot","object":"model","created":1,"owned_by":"acme"}"#;
                let length = body.len();
                let response = format!(
                    "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
                );
                stream.write_all(response.as_bytes()).await?;
                stream.shutdown().await
            });
        }
    });
    (format!("https://localhost:{port}"), authority.pem())
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

/// A certificate authority that has signed nothing.
fn other_authority() -> String {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap());
    authority.unwrap().pem()
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
    args.route().unwrap()
}

#[tokio::test]
async fn a_bundle_with_a_certificate_that_cannot_be_used_is_trusted_without_it() {
    let (url, pem) = start_hub().await;
    let unusable = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
    let other = other_authority();
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

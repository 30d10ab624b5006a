//! A hub behind TLS: it is talked to only if its certificate is by somebody who is trusted.

use std::sync::Arc;

use oxen_operator::{
    api::Direction,
    decide::{Answer, Fault},
    oxen::{Client, Limits, Route},
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
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

use crate::raw::key;

/// A hub at `https://localhost` with a certificate by an authority of its own, and that authority's certificate as PEM.
async fn hub() -> (String, String) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let own = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    let certificate = params.signed_by(&own, &authority).unwrap();
    let secret = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(own.serialize_der()));
    let config = ServerConfig::builder_with_provider(aws_lc_rs::default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], secret)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!(
        "https://localhost:{}",
        listener.local_addr().unwrap().port()
    );
    let acceptor = TlsAcceptor::from(Arc::new(config));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let mut stream = acceptor.accept(stream).await?;
                let mut head = [0; 4096];
                // The head of one request comes in one piece, and what it says is not looked at.
                let _ = stream.read(&mut head).await?;
                let body = r#"{"id":"bot","object":"model","created":1,"owned_by":"acme"}"#;
                let length = body.len();
                let answer = format!(
                    "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
                );
                stream.write_all(answer.as_bytes()).await?;
                stream.shutdown().await
            });
        }
    });
    (url, authority.pem())
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
async fn an_authority_of_ones_own_is_trusted_where_it_is_named() {
    let (url, pem) = hub().await;
    let client = client(&url, Some(&pem));
    let model = client.retrieve(&key(), "bot", true).await.unwrap();
    assert_eq!(model.id, "bot");
    let call = client
        .call(&key(), "bot", Direction::Activate, "a-call")
        .await;
    assert_eq!(call, Answer::Accepted);
}

/// Neither a look nor a call gets as far as a request.
async fn is_out_of_reach(client: &Client) {
    let look = client.retrieve(&key(), "bot", true).await;
    assert!(matches!(look, Err(Fault::Unreachable(_))), "{look:?}");
    let call = client
        .call(&key(), "bot", Direction::Activate, "a-call")
        .await;
    assert!(
        matches!(call, Answer::Refused(Fault::Unreachable(_))),
        "{call:?}"
    );
}

#[tokio::test]
async fn a_hub_whose_certificate_nobody_vouches_for_is_out_of_reach() {
    let (url, _) = hub().await;
    is_out_of_reach(&client(&url, None)).await;
}

#[tokio::test]
async fn a_hub_whose_name_does_not_resolve_is_out_of_reach() {
    is_out_of_reach(&client("http://hub.invalid", None)).await;
}

//! Certificate authorities, and a TLS server in front of another server.

use std::sync::{Arc, Mutex};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::aws_lc_rs,
        pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    },
};
use url::Url;

/// A certificate authority that no machine trusts.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Default for Authority {
    fn default() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap());
        Self(issuer.unwrap())
    }
}

impl Authority {
    /// The authority's own certificate.
    #[must_use]
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// Accepts TLS connections with a new certificate for `localhost`.
    fn acceptor(&self) -> TlsAcceptor {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(aws_lc_rs::default_provider().into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}

/// A TLS server at `https://localhost`, which passes the bytes of each connection on to another
/// server. It runs as long as the runtime.
pub struct TlsFront {
    /// The server's URL.
    pub url: String,
    shared: Arc<Mutex<Shared>>,
}

struct Shared {
    acceptor: TlsAcceptor,
    connections: JoinSet<()>,
}

impl TlsFront {
    /// Starts a server in front of the one at `upstream`, with a certificate of this authority.
    pub async fn start(upstream: &str, authority: &Authority) -> Self {
        let upstream: Url = upstream.parse().unwrap();
        let upstream = upstream.socket_addrs(|| None).unwrap()[0];
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Mutex::new(Shared {
            acceptor: authority.acceptor(),
            connections: JoinSet::new(),
        }));
        let accepting = shared.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let mut shared = accepting.lock().unwrap();
                let acceptor = shared.acceptor.clone();
                shared.connections.spawn(async move {
                    // A client that doesn't trust the certificate ends the handshake.
                    if let Ok(mut stream) = acceptor.accept(stream).await {
                        let mut upstream = TcpStream::connect(upstream).await.unwrap();
                        let _ = copy_bidirectional(&mut stream, &mut upstream).await;
                    }
                });
            }
        });
        Self {
            url: format!("https://localhost:{port}"),
            shared,
        }
    }

    /// Closes all connections. The next ones have a certificate of this authority.
    pub fn restart_with(&self, authority: &Authority) {
        let mut shared = self.shared.lock().unwrap();
        shared.acceptor = authority.acceptor();
        shared.connections.abort_all();
    }
}

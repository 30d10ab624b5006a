//! The kubeconfig: which proxy leads to the API server. No API server is needed.

use std::{path::Path, process::Stdio, time::Duration};

use testkit::world::program;
use tokio::{
    io::AsyncReadExt,
    net::{TcpListener, TcpStream},
    process::Command,
    time::timeout,
};

const DEADLINE: Duration = Duration::from_secs(60);

/// A server that reads and never answers.
struct Ear {
    listener: TcpListener,
    address: String,
}

impl Ear {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        Self { listener, address }
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    async fn accept(&self) -> TcpStream {
        self.listener.accept().await.unwrap().0
    }
}

/// A kubeconfig for an API server at this address, with a proxy of its own or none.
fn kubeconfig(folder: &Path, server: &Ear, proxy: Option<&Ear>) -> String {
    let proxy = proxy.map_or(String::new(), |proxy| {
        format!(", proxy-url: '{}'", proxy.url())
    });
    let text = format!(
        "apiVersion: v1
kind: Config
current-context: a
contexts:
- {{name: a, context: {{cluster: a, user: a}}}}
users:
- {{name: a, user: {{}}}}
clusters:
- {{name: a, cluster: {{server: 'https://{}'{proxy}}}}}
",
        server.address
    );
    let file = folder.join("kubeconfig");
    std::fs::write(&file, text).unwrap();
    file.to_str().unwrap().to_owned()
}

/// The first bytes of the operator's first request, and who gets it: the API server, the
/// kubeconfig's proxy, or the proxy of the environment.
async fn first_request(own: bool, environment: &[(&str, &str)]) -> (&'static str, String) {
    let (server, proxy, elsewhere) = (Ear::new().await, Ear::new().await, Ear::new().await);
    let folder = tempfile::tempdir().unwrap();
    let file = kubeconfig(folder.path(), &server, own.then_some(&proxy));
    let mut operator = Command::new(program());
    operator
        .arg("run")
        .env_clear()
        .envs([
            ("KUBECONFIG", file.as_str()),
            ("OXEN_LISTEN", "127.0.0.1:0"),
        ])
        .stderr(Stdio::null())
        .kill_on_drop(true);
    for (name, value) in environment {
        let value = value.replace("OWN", &proxy.url());
        operator.env(name, value.replace("OTHER", &elsewhere.url()));
    }
    let _running = operator.spawn().unwrap();
    let first = async {
        let (who, mut stream) = tokio::select! {
            stream = server.accept() => ("server", stream),
            stream = proxy.accept() => ("own proxy", stream),
            stream = elsewhere.accept() => ("other proxy", stream),
        };
        let mut start = [0; 7];
        stream.read_exact(&mut start).await.unwrap();
        (who, String::from_utf8_lossy(&start).into_owned())
    };
    let first = timeout(DEADLINE, first).await;
    first.expect("the operator sends a request")
}

#[tokio::test]
async fn the_kubeconfigs_own_proxy_is_used_whatever_the_environment_says() {
    for environment in [
        &[][..],
        &[("HTTPS_PROXY", "OTHER"), ("https_proxy", "OTHER")],
        &[("HTTPS_PROXY", "OWN")],
        &[("NO_PROXY", "*"), ("HTTPS_PROXY", "OTHER")],
        &[("NO_PROXY", "127.0.0.1")],
    ] {
        let first = first_request(true, environment).await;
        assert_eq!(
            first,
            ("own proxy", "CONNECT".to_owned()),
            "{environment:?}"
        );
    }
}

#[tokio::test]
async fn a_proxy_of_the_environment_leads_to_no_api_server() {
    for name in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"] {
        let (who, start) = first_request(false, &[(name, "OTHER")]).await;
        assert_eq!(who, "server", "{name}: {start}");
    }
}

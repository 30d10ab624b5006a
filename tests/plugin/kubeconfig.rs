//! What the entries of a kubeconfig and the flags lead to: the plugin sends what kubectl sends, and
//! refuses what kubectl refuses.

use std::{
    fs,
    path::Path,
    sync::{Arc, Mutex},
};

use cluster::Output;
use hub::Hub;
use testkit::{
    tls::{Authority, TlsFront},
    world::World,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::{bash, fails};

/// The answer to every request: an empty list of OxenModels.
const LIST: &str = r#"{"apiVersion": "oxen.ai/v1alpha1", "kind": "OxenModelList",
    "metadata": {"resourceVersion": "1"}, "items": []}"#;

/// A server that notes who asks: for each request, the headers about the user.
struct Server {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::default());
        let noted = asked.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, noted.clone()));
            }
        });
        Self { url, asked }
    }

    /// The requests since the last call.
    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

/// Answers one request, and notes its headers.
async fn answer(mut stream: TcpStream, noted: Arc<Mutex<Vec<String>>>) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head);
    let headers = head.lines().filter_map(|line| line.split_once(": "));
    let headers = headers.map(|(name, value)| (name.to_lowercase(), value));
    let about = |name: &str| name == "authorization" || name.starts_with("impersonate-");
    let mut headers: Vec<String> = headers
        .filter(|(name, _)| about(name))
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    headers.sort();
    noted.lock().unwrap().push(headers.join(", "));
    let length = LIST.len();
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\
         connection: close\r\n\r\n{LIST}"
    );
    stream.write_all(answer.as_bytes()).await
}

/// A server without TLS, the same one with TLS, and a folder with the files of a kubeconfig.
struct Setup {
    world: World,
    server: Server,
    front: TlsFront,
    folder: tempfile::TempDir,
}

impl Setup {
    async fn new() -> Self {
        let (server, authority) = (Server::start().await, Authority::default());
        let front = TlsFront::start(&server.url, &authority).await;
        let folder = tempfile::tempdir().unwrap();
        let key = rcgen::KeyPair::generate().unwrap();
        let other_key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(["client".to_owned()]).unwrap();
        for (name, text) in [
            ("ca.pem", authority.pem()),
            ("other.pem", Authority::default().pem()),
            ("client.pem", params.self_signed(&key).unwrap().pem()),
            ("client.key", key.serialize_pem()),
            ("other.key", other_key.serialize_pem()),
            ("token", "of-file\n".into()),
        ] {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let world = World::new(Hub::builder()).await;
        Self {
            world,
            server,
            front,
            folder,
        }
    }

    /// Runs `kubectl get --raw /x` and `kubectl oxen status` with these entries and flags. In them,
    /// HTTP and HTTPS are the addresses of the servers, and HELPER is a program that gives a token.
    async fn both(&self, cluster: &str, user: &str, flags: &str) -> [(Output, Vec<String>); 2] {
        let helper = helper(self.folder.path());
        let filled = |text: &str| {
            text.replace("HTTPS", self.front.url.trim_start_matches("https://"))
                .replace("HTTP", self.server.url.trim_start_matches("http://"))
                .replace("HELPER", &helper)
        };
        let text = filled(&format!(
            "\u{feff}apiVersion: v1\nkind: Config\nclusters:\n- {{name: c, cluster: {{{cluster}}}}}\n\
             users:\n- {{name: u, user: {{{user}}}}}\ncontexts:\n- {{name: x, context: {{cluster: c, \
             user: u}}}}\ncurrent-context: x\n"
        ));
        fs::write(self.folder.path().join("config"), text).unwrap();
        let (folder, flags) = (self.folder.path().display(), filled(flags));
        let run = async |command: &str| {
            let script =
                format!("cd {folder}; KUBECONFIG={folder}/config kubectl {command} {flags}");
            let output = bash(self.world.cluster, &script).await;
            (output, self.server.asked())
        };
        [run("get --raw /x").await, run("oxen status").await]
    }
}

/// A credential plugin in this folder, which gives the token `of-helper`.
fn helper(folder: &Path) -> String {
    use std::os::unix::fs::PermissionsExt;
    let path = folder.join("helper");
    let text = "#!/bin/sh\necho '{\"kind\": \"ExecCredential\", \"status\": {\"token\": \
                \"of-helper\"}, \"apiVersion\": \"client.authentication.k8s.io/v1\"}'\n";
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let path = path.display();
    format!(
        "exec: {{apiVersion: client.authentication.k8s.io/v1, command: {path}, interactiveMode: \
         Never}}"
    )
}

const TLS: &str = "server: 'https://HTTPS', certificate-authority: ca.pem";
const INSECURE: &str = "server: 'https://HTTPS', insecure-skip-tls-verify: true";
const PLAIN: &str = "server: 'http://HTTP'";

#[tokio::test]
async fn what_is_sent_is_what_kubectl_sends() {
    let setup = Setup::new().await;
    let named = format!("{TLS}, tls-server-name: api.internal");
    let unchecked = format!("{INSECURE}, certificate-authority: ca.pem");
    let certificate = "client-certificate: client.pem, client-key: client.key";
    let flags = "--client-certificate client.pem --client-key client.key";
    let given = Some("authorization: Bearer given");
    for (cluster, user, flags, sent) in [
        // Whether the server's certificate is checked. Nothing is sent where kubectl refuses.
        (TLS, "token: given", "", given),
        (INSECURE, "token: given", "", given),
        (
            INSECURE,
            "token: given",
            "--certificate-authority ca.pem",
            given,
        ),
        (
            INSECURE,
            "token: given",
            "--certificate-authority other.pem",
            None,
        ),
        (&unchecked, "token: given", "", None),
        (TLS, "token: given", "--insecure-skip-tls-verify", given),
        (
            TLS,
            "token: given",
            "--insecure-skip-tls-verify --certificate-authority ca.pem",
            None,
        ),
        // The name that it is checked for.
        (&named, "token: given", "", None),
        (&named, "token: given", "-s https://HTTPS", given),
        (&named, "token: given", "--tls-server-name localhost", given),
        // A server without TLS.
        (PLAIN, "token: SECRET", "", Some("")),
        (PLAIN, "HELPER", "", Some("")),
        (PLAIN, "username: u, password: SECRET", "", Some("")),
        (PLAIN, "auth-provider: {name: gcp}", "", Some("")),
        (PLAIN, "tokenFile: absent", "--token SECRET", Some("")),
        (
            PLAIN,
            "token: SECRET",
            "--as jane",
            Some("impersonate-user: jane"),
        ),
        (TLS, "token: SECRET", "-s http://HTTP", Some("")),
        (TLS, "token: SECRET", "-s HTTP", Some("")),
        (
            "server: 'HTTP', certificate-authority: ca.pem",
            "token: SECRET",
            "",
            Some(""),
        ),
        // The order of the credentials.
        (TLS, "HELPER", "", Some("authorization: Bearer of-helper")),
        (TLS, "HELPER", "--token given", given),
        (TLS, "token: given, HELPER", "", given),
        (
            TLS,
            "tokenFile: token, HELPER",
            "",
            Some("authorization: Bearer of-file"),
        ),
        (
            TLS,
            "token: stale, tokenFile: token",
            "",
            Some("authorization: Bearer of-file"),
        ),
        (TLS, "token: given, tokenFile: absent", "", given),
        (TLS, "tokenFile: absent", "", None),
        (
            TLS,
            "username: a, password: b, HELPER",
            "",
            Some("authorization: Basic YTpi"),
        ),
        (TLS, "username: a", "", Some("authorization: Basic YTo=")),
        (TLS, "token: t, username: a, password: b", "", None),
        (TLS, &format!("{certificate}, HELPER"), "", Some("")),
        (TLS, "HELPER", flags, Some("")),
        (
            TLS,
            "token: given, auth-provider: {name: oidc, config: {idp-issuer-url: 'https://x', client-id: a}}",
            "",
            given,
        ),
        // Whom to act as.
        (TLS, "token: given", "--as-group g", None),
        (TLS, "token: given", "--as-uid 1", None),
        (
            TLS,
            "token: given, as: jane, as-user-extra: {k: [old], kept: [a]}",
            "--as-user-extra k=1 --as-user-extra k=2",
            Some(
                "authorization: Bearer given, impersonate-extra-k: 1, impersonate-extra-k: 2, \
                 impersonate-extra-kept: a, impersonate-user: jane",
            ),
        ),
    ] {
        for (output, mut asked) in setup.both(cluster, user, flags).await {
            asked.dedup();
            let expected: Vec<_> = sent.into_iter().collect();
            assert_eq!(asked, expected, "{cluster} {user} {flags}: {output:?}");
            let done = sent.is_some();
            assert_eq!(output.status.success(), done, "{user} {flags}: {output:?}");
            assert!(!output.stderr.contains("SECRET"), "{output:?}");
        }
    }
}

#[tokio::test]
async fn credentials_that_cannot_be_used_are_named() {
    let setup = Setup::new().await;
    let folder = setup.folder.path().display();
    for (user, error) in [
        (
            "client-certificate: absent, client-key: client.key",
            format!(
                "the client certificate of user \"u\" of the kubeconfig can't be read from \
                 {folder}/absent: No such file or directory (os error 2)."
            ),
        ),
        (
            "client-certificate: client.pem, client-key: absent",
            format!(
                "the client key of user \"u\" of the kubeconfig can't be read from {folder}/absent: \
                 No such file or directory (os error 2)."
            ),
        ),
        (
            "client-certificate: client.pem",
            "the client key of user \"u\" of the kubeconfig is missing.".into(),
        ),
        (
            "client-key: client.key",
            "the client certificate of user \"u\" of the kubeconfig is missing.".into(),
        ),
        (
            "client-certificate-data: '%', client-key: client.key",
            "the client certificate of user \"u\" of the kubeconfig is no valid base64.".into(),
        ),
        (
            "client-certificate: token, client-key: client.key",
            "the client certificate of user \"u\" of the kubeconfig has no certificate in PEM form."
                .into(),
        ),
        (
            "client-certificate: client.pem, client-key: token",
            "the client key of user \"u\" of the kubeconfig has no private key in PEM form.".into(),
        ),
        (
            "client-certificate: client.pem, client-key: other.key",
            "the client certificate and the client key of user \"u\" of the kubeconfig can't be \
             used together: keys may not be consistent: KeyMismatch."
                .into(),
        ),
        (
            "tokenFile: absent",
            format!(
                "the token of user \"u\" of the kubeconfig can't be read from {folder}/absent: No \
                 such file or directory (os error 2)."
            ),
        ),
        (
            "token: \"SECRET\\n\"",
            "the token of user \"u\" has a line break or another control character. Write it in one \
             line."
                .into(),
        ),
    ] {
        // kubectl reads the files of a certificate only if the server asks for one.
        let [_, (plugin, asked)] = setup.both(TLS, user, "").await;
        fails(&plugin, 1, &format!("error: {error}"));
        assert!(asked.is_empty(), "{user}: {asked:?}");
    }
    let cluster = "server: 'https://HTTPS', certificate-authority: token";
    let [(kubectl, _), (plugin, _)] = setup.both(cluster, "token: t", "").await;
    assert!(!kubectl.status.success(), "{kubectl:?}");
    fails(
        &plugin,
        1,
        "error: the certificate authority of cluster \"c\" of the kubeconfig has no certificate in \
         PEM form.",
    );
}

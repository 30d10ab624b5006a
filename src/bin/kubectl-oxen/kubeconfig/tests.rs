//! Each difference between kube's loader and kubectl's, on files in a folder.

use std::{env, fs};

use super::*;

mod credentials;
mod flags;

fn config(name: &str) -> String {
    format!(
        "{{clusters: [{{name: {name}, cluster: {{server: 'https://{name}:6443'}}}}], \
         users: [{{name: {name}, user: {{token: {name}-token}}}}], \
         contexts: [{{name: {name}, context: {{cluster: {name}, user: {name}, namespace: ''}}}}], \
         current-context: {name}}}"
    )
}

/// A folder with these files, and an environment whose KUBECONFIG lists these names.
fn world(files: &[(&str, String)], listed: &[&str]) -> (tempfile::TempDir, Environment) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let paths = listed.iter().map(|name| match *name {
        "" => PathBuf::new(),
        name => folder.path().join(name),
    });
    let environment = Environment {
        kubeconfig: (!listed.is_empty()).then(|| env::join_paths(paths).unwrap()),
        home: Some(folder.path().join("home")),
        in_pod: false,
    };
    (folder, environment)
}

fn target(environment: &Environment, flags: &Global) -> Result<Target, String> {
    match read(flags, environment)? {
        Source::Files(config) => select(&config, flags),
        Source::Pod => panic!("the pod"),
    }
}

#[test]
fn files_that_do_not_exist_are_skipped_unless_all_are() {
    let (_folder, environment) = world(&[("a", config("a"))], &["absent", "", "a"]);
    let found = target(&environment, &Global::default()).unwrap();
    assert_eq!(found.cluster.server.as_deref(), Some("https://a:6443"));
    assert_eq!(found.context.as_deref(), Some("a"));
    assert_eq!(found.namespace, None, "an empty namespace is none");

    let (folder, environment) = world(&[], &["x", "y"]);
    let error = target(&environment, &Global::default()).unwrap_err();
    let (x, y) = (folder.path().join("x"), folder.path().join("y"));
    assert_eq!(
        error,
        format!(
            "there is no kubeconfig: KUBECONFIG names {} and {}, which do not exist. Pass \
             --kubeconfig FILE.",
            x.display(),
            y.display()
        )
    );
    let (_folder, environment) = world(&[], &[]);
    assert_eq!(
        target(&environment, &Global::default()).unwrap_err(),
        "there is no kubeconfig: KUBECONFIG is not set and ~/.kube/config does not exist. Pass \
         --kubeconfig FILE."
    );
}

#[test]
fn an_empty_current_context_does_not_win_and_the_first_entry_does() {
    let empty = "{current-context: '', clusters: [{name: b, cluster: {server: 'https://first'}}]}";
    let files = [("a", empty.to_owned()), ("b", config("b"))];
    let (_folder, environment) = world(&files, &["a", "b"]);
    let found = target(&environment, &Global::default()).unwrap();
    assert_eq!(found.context.as_deref(), Some("b"));
    assert_eq!(found.cluster.server.as_deref(), Some("https://first"));
}

#[test]
fn a_named_file_has_to_exist_and_is_the_only_one() {
    let files = [("a", config("a")), ("b", config("b"))];
    let (folder, environment) = world(&files, &["a"]);
    let flags = |name: &str| Global {
        kubeconfig: Some(folder.path().join(name)),
        ..Global::default()
    };
    let found = target(&environment, &flags("b")).unwrap();
    assert_eq!(found.context.as_deref(), Some("b"));
    let error = target(&environment, &flags("c")).unwrap_err();
    assert!(error.ends_with("there is no such file."), "{error}");
}

#[test]
fn unknown_names_are_told_with_the_known_ones() {
    let files = [("a", config("prod")), ("b", config("kind-dev"))];
    let (_folder, environment) = world(&files, &["a", "b"]);
    for (flags, error) in [
        (
            Global {
                context: Some("nope".into()),
                ..Global::default()
            },
            "the kubeconfig has no context \"nope\". It has: kind-dev, prod.",
        ),
        (
            Global {
                cluster: Some("nope".into()),
                ..Global::default()
            },
            "the kubeconfig has no cluster \"nope\". It has: kind-dev, prod.",
        ),
        (
            Global {
                user: Some("nope".into()),
                ..Global::default()
            },
            "the kubeconfig has no user \"nope\". It has: kind-dev, prod.",
        ),
    ] {
        assert_eq!(target(&environment, &flags).unwrap_err(), error);
    }
}

#[test]
fn a_pods_account_is_used_only_where_there_is_no_kubeconfig() {
    let (_folder, environment) = world(&[], &[]);
    let environment = Environment {
        in_pod: true,
        ..environment
    };
    let flags = Global::default();
    assert!(matches!(read(&flags, &environment), Ok(Source::Pod)));
    let named = Global {
        context: Some("a".into()),
        ..Global::default()
    };
    assert!(read(&named, &environment).is_err());

    let (_folder, broken) = world(&[("a", "clusters: [".into())], &["a"]);
    let broken = Environment {
        in_pod: true,
        ..broken
    };
    let error = read(&flags, &broken).unwrap_err();
    assert!(error.contains("is not valid"), "{error}");
}

#[test]
fn a_broken_file_is_named_and_never_quoted() {
    let text = "users: [{name: a, user: {token: [SECRET]}}]";
    let (folder, environment) = world(&[("a", text.into())], &["a"]);
    let error = target(&environment, &Global::default()).unwrap_err();
    let path = folder.path().join("a");
    assert!(error.contains(path.to_str().unwrap()), "{error}");
    assert!(!error.contains("SECRET"), "{error}");
}

#[test]
fn a_context_needs_no_cluster_where_a_flag_names_one() {
    let text = "clusters: [{name: c, cluster: {server: 'https://c', certificate-authority: ca.pem}}]\n\
                contexts: [{name: a, context: {user: u}}, {name: b, context: {cluster: c}}]\n\
                users: [{name: u, user: {client-key: /key.pem, exec: {command: ./helper}}}]\n\
                current-context: a\n";
    let (folder, environment) = world(&[("a", text.into())], &["a"]);
    assert_eq!(
        target(&environment, &Global::default()).unwrap_err(),
        "context \"a\" of the kubeconfig names no cluster. Pass --cluster NAME, or --server URL."
    );
    let flags = Global {
        cluster: Some("c".into()),
        ..Global::default()
    };
    let found = target(&environment, &flags).unwrap();
    let path = |name: &str| Some(folder.path().join(name).display().to_string());
    assert_eq!(found.cluster.server.as_deref(), Some("https://c"));
    assert_eq!(found.cluster.certificate_authority, path("ca.pem"));
    assert_eq!(found.user.client_key.as_deref(), Some("/key.pem"));
    assert_eq!(found.user.exec.unwrap().command, path("./helper"));
    let flags = Global {
        server: Some("https://s".into()),
        ..Global::default()
    };
    let found = target(&environment, &flags).unwrap();
    assert_eq!(found.cluster.server.as_deref(), Some("https://s"));
}

#[tokio::test]
async fn an_empty_value_of_a_user_is_unset() {
    let text = "clusters: [{name: a, cluster: {server: 'https://a', certificate-authority: '', \
                tls-server-name: ''}}]\n\
                users: [{name: a, user: {username: '', password: '', token: '', tokenFile: '', \
                client-certificate-data: '', client-key-data: '', client-key: ''}}]\n\
                contexts: [{name: a, context: {cluster: a, user: a}}]\ncurrent-context: a\n";
    let (_folder, environment) = world(&[("a", text.into())], &["a"]);
    let found = target(&environment, &Global::default()).unwrap();
    let config = found.into_kubeconfig("http://proxy");
    let options = kube::config::KubeConfigOptions::default();
    let config = kube::Config::from_custom_kubeconfig(config, &options).await;
    let config = config.unwrap();
    let used = serde_json::to_value(&config.auth_info).unwrap();
    let used = used
        .as_object()
        .unwrap()
        .values()
        .filter(|it| !it.is_null());
    assert_eq!(used.count(), 0, "{:?}", config.auth_info);
    kube::Client::try_from(config).unwrap();
}

#[tokio::test]
async fn base64_with_line_breaks_is_read_and_kube_reads_no_proxy() {
    let (pem, key) = rcgen_certificate();
    let (data, key) = (base64_lines(&pem), base64_lines(&key));
    let text = format!(
        "clusters:\n- name: a\n  cluster:\n    server: https://a\n    \
         certificate-authority-data: |\n{data}\nusers:\n- name: a\n  user:\n    \
         client-certificate-data: |\n{data}\n    client-key-data: |\n{key}\ncontexts:\n- name: a\n  context: {{cluster: a, \
         user: a}}\ncurrent-context: a\n"
    );
    let (_folder, environment) = world(&[("a", text)], &["a"]);
    let found = target(&environment, &Global::default()).unwrap();
    let config = found.into_kubeconfig("http://proxy");
    let options = kube::config::KubeConfigOptions::default();
    let config = kube::Config::from_custom_kubeconfig(config, &options);
    let config = config.await.unwrap();
    assert_eq!(config.root_cert.as_ref().unwrap().len(), 1);
    assert_eq!(config.default_namespace, "default");
    assert_eq!(config.proxy_url, Some("http://proxy".parse().unwrap()));
    kube::Client::try_from(config).unwrap();
}

#[test]
fn a_byte_order_mark_is_skipped() {
    let text = "apiVersion: v1\nclusters:\n- name: a\n  cluster: {server: 'https://a'}\n\
                contexts:\n- name: a\n  context: {cluster: a}\ncurrent-context: a\n";
    let (_folder, environment) = world(&[("a", format!("\u{feff}{text}"))], &["a"]);
    let found = target(&environment, &Global::default()).unwrap();
    assert_eq!(found.cluster.server.as_deref(), Some("https://a"));
}

/// A folder with a kubeconfig of this one cluster and user, and with two files for a token.
fn entries(cluster: &str, user: &str) -> (tempfile::TempDir, Environment) {
    let text = format!(
        "{{clusters: [{{name: c, cluster: {{{cluster}}}}}], users: [{{name: u, user: {{{user}}}}}], \
         contexts: [{{name: a, context: {{cluster: c, user: u}}}}], current-context: a}}"
    );
    let (token, blank) = ("of-file\n".into(), "\n".into());
    world(&[("a", text), ("token", token), ("blank", blank)], &["a"])
}

fn rcgen_certificate() -> (String, String) {
    let issued = rcgen::generate_simple_self_signed(["a".to_owned()]).unwrap();
    (issued.cert.pem(), issued.signing_key.serialize_pem())
}

fn base64_lines(pem: &str) -> String {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let encoded = STANDARD.encode(pem);
    let lines = encoded.as_bytes().chunks(60);
    lines
        .map(|line| format!("      {}", String::from_utf8_lossy(line)))
        .collect::<Vec<_>>()
        .join("\n")
}

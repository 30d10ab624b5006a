//! Which credentials of a user are left for the server, as in client-go.

use serde_json::{Map, Value, json};

use super::*;

/// The fields of the user's entry that are left.
fn credentials(target: &Target) -> Value {
    let user = serde_json::to_value(&target.user).unwrap();
    let fields = user.as_object().unwrap().clone().into_iter();
    let left: Map<_, _> = fields.filter(|(_, value)| !value.is_null()).collect();
    left.into()
}

#[test]
fn a_server_without_tls_gets_no_credentials() {
    for user in [
        "token: SECRET",
        "tokenFile: absent",
        "username: u, password: SECRET",
        "client-certificate: absent, client-key: absent",
        "exec: {command: absent}",
        "auth-provider: {name: gcp, config: {}}",
    ] {
        for (server, flag) in [
            ("http://c", ""),
            ("https://c", "http://other"),
            // kubectl uses no TLS where there is no scheme, whatever else is set.
            ("https://c", "localhost:8001"),
            ("c:6443", ""),
        ] {
            let cluster = format!(
                "server: '{server}', insecure-skip-tls-verify: true, certificate-authority: ca.pem"
            );
            let (_folder, environment) = entries(&cluster, &format!("{user}, as: jane"));
            let flags = Global {
                server: Some(flag.into()),
                as_group: vec!["g".into()],
                ..Global::default()
            };
            let found = target(&environment, &flags.without_empty_values()).unwrap();
            let left = json!({"as": "jane", "as-groups": ["g"]});
            assert_eq!(credentials(&found), left, "{user} {server} {flag}");
            let url = found.cluster.server.unwrap();
            assert!(url.starts_with("http://"), "{url}");
        }
    }
    let (_folder, environment) = entries("server: 'HTTPS://c'", "token: SECRET");
    let found = target(&environment, &Global::default()).unwrap();
    assert_eq!(credentials(&found), json!({"token": "SECRET"}));
}

#[test]
fn credentials_have_kubectls_order() {
    const EXEC: &str = "exec: {command: helper}";
    const CERTIFICATE: &str = "client-certificate-data: eA==, client-key-data: eA==";
    for (user, left) in [
        ("tokenFile: token", json!({"token": "of-file"})),
        ("token: old, tokenFile: token", json!({"token": "of-file"})),
        ("token: old, tokenFile: absent", json!({"token": "old"})),
        ("token: old, tokenFile: blank", json!({"token": "old"})),
        (&format!("token: t, {EXEC}"), json!({"token": "t"})),
        (
            &format!("tokenFile: token, {EXEC}"),
            json!({"token": "of-file"}),
        ),
        (
            &format!("username: a, password: b, {EXEC}"),
            json!({"username": "a", "password": "b"}),
        ),
        ("username: a", json!({"username": "a", "password": ""})),
        (
            "token: t, auth-provider: {name: oidc, config: {}}",
            json!({"token": "t"}),
        ),
        (
            &format!("{CERTIFICATE}, {EXEC}"),
            json!({"client-certificate-data": "eA==", "client-key-data": "eA=="}),
        ),
    ] {
        let (_folder, environment) = entries("server: 'https://c'", user);
        let found = target(&environment, &Global::default()).unwrap();
        assert_eq!(credentials(&found), left, "{user}");
    }
    let (_folder, environment) = entries("server: 'https://c'", EXEC);
    let found = target(&environment, &Global::default()).unwrap();
    assert!(found.user.exec.is_some());
}

#[test]
fn a_token_flag_replaces_every_other_token_and_plugin() {
    for user in [
        "token: old",
        "tokenFile: token",
        "tokenFile: absent, exec: {command: absent}",
        "auth-provider: {name: oidc, config: {}}",
    ] {
        let (_folder, environment) = entries("server: 'https://c'", user);
        let flags = Global {
            token: Some("given".into()),
            ..Global::default()
        };
        let found = target(&environment, &flags).unwrap();
        assert_eq!(credentials(&found), json!({"token": "given"}), "{user}");
    }
}

#[test]
fn credentials_that_cannot_be_used_are_named() {
    let unread = "the token of user \"u\" of the kubeconfig can't be read from ";
    let both = "user \"u\" of the kubeconfig has a token and also a username or a password";
    let nobody = "Pass --as USER";
    for (user, words) in [
        ("tokenFile: absent", unread),
        ("tokenFile: blank", unread),
        ("token: t, username: a", both),
        ("tokenFile: token, username: a, password: b", both),
        ("token: t, as-uid: x", nobody),
        ("token: t, as-groups: [g]", nobody),
        ("token: t, as-user-extra: {k: [v]}", nobody),
    ] {
        let (_folder, environment) = entries("server: 'https://c'", user);
        let error = target(&environment, &Global::default()).unwrap_err();
        assert!(error.contains(words), "{user}: {error}");
    }
}

#[test]
fn a_flags_token_takes_the_place_of_a_password() {
    let text = config("a").replace("{token: a-token}", "{username: u, password: p}");
    let (_folder, environment) = world(&[("a", text)], &["a"]);
    let mut flags = Global::default();
    let user = target(&environment, &flags).unwrap().user;
    assert_eq!(user.username.as_deref(), Some("u"));
    flags.token = Some("t".into());
    let user = target(&environment, &flags).unwrap().user;
    assert!(user.token.is_some() && user.username.is_none() && user.password.is_none());
}

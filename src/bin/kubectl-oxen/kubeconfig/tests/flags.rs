//! What the flags change, as in client-go.

use super::*;

#[test]
fn a_flag_for_certificates_takes_the_place_of_each_setting_of_them() {
    let checked = Some(("other.pem", false));
    let unchecked = Some(("", true));
    for (entry, authority, insecure, used) in [
        // A flag that names an authority turns the checks on again.
        (
            "insecure-skip-tls-verify: true",
            "other.pem",
            false,
            checked,
        ),
        (
            "certificate-authority-data: eA==",
            "other.pem",
            false,
            checked,
        ),
        ("certificate-authority: ca.pem", "", true, unchecked),
        ("certificate-authority-data: eA==", "", true, unchecked),
        ("insecure-skip-tls-verify: true", "", false, unchecked),
        (
            "insecure-skip-tls-verify: true, certificate-authority: ca.pem",
            "",
            false,
            None,
        ),
        (
            "insecure-skip-tls-verify: true, certificate-authority-data: eA==",
            "",
            false,
            None,
        ),
        ("certificate-authority: ca.pem", "other.pem", true, None),
    ] {
        let (_folder, environment) = entries(&format!("server: 'https://c', {entry}"), "token: t");
        let flags = Global {
            certificate_authority: Some(authority.into()),
            insecure_skip_tls_verify: insecure,
            ..Global::default()
        };
        let found = target(&environment, &flags.without_empty_values());
        let Some((authority, insecure)) = used else {
            let error = found.unwrap_err();
            let words = "both a certificate authority and insecure-skip-tls-verify";
            assert!(error.contains(words), "{entry}: {error}");
            continue;
        };
        let found = found.unwrap().cluster;
        let named = found.certificate_authority.unwrap_or_default();
        assert_eq!(named, authority, "{entry}");
        assert_eq!(found.certificate_authority_data, None, "{entry}");
        let skipped = found.insecure_skip_tls_verify.unwrap_or_default();
        assert_eq!(skipped, insecure, "{entry}");
    }
}

#[test]
fn a_flag_for_the_server_unsets_the_name_of_its_certificate() {
    let cluster = "server: 'https://c', tls-server-name: inner";
    let (_folder, environment) = entries(cluster, "token: t");
    for (server, name, used) in [
        ("", "", Some("inner")),
        ("https://other", "", None),
        ("", "given", Some("given")),
        ("https://other", "given", Some("given")),
    ] {
        let flags = Global {
            server: Some(server.into()),
            tls_server_name: Some(name.into()),
            ..Global::default()
        };
        let found = target(&environment, &flags.without_empty_values()).unwrap();
        let found = found.cluster.tls_server_name;
        assert_eq!(found.as_deref(), used, "{server} {name}");
    }
}

#[test]
fn a_flag_for_an_extra_attribute_takes_the_place_of_its_values() {
    let user = "token: t, as: jane, as-user-extra: {k: [old], other: [kept]}";
    let (_folder, environment) = entries("server: 'https://c'", user);
    let flags = Global {
        // An empty one is unset.
        as_user_extra: ["k=1", "k=2", ""].map(str::to_owned).to_vec(),
        ..Global::default()
    };
    let user = target(&environment, &flags).unwrap().user;
    let extra = user.impersonate_user_extra.unwrap();
    assert_eq!(extra["k"], ["1", "2"]);
    assert_eq!(extra["other"], ["kept"]);
    assert_eq!(extra.len(), 2);
}

#[test]
fn flags_replace_values_of_the_entries() {
    let (_folder, environment) = world(&[("a", config("a"))], &["a"]);
    let flags = Global {
        server: Some("https://other".into()),
        token: Some("t".into()),
        insecure_skip_tls_verify: true,
        impersonate: Some("jane".into()),
        as_group: vec!["g".into()],
        as_uid: Some("u".into()),
        as_user_extra: vec!["k=1".into(), "k=2".into()],
        ..Global::default()
    };
    let found = target(&environment, &flags).unwrap();
    assert_eq!(found.cluster.server.as_deref(), Some("https://other"));
    assert_eq!(found.cluster.insecure_skip_tls_verify, Some(true));
    assert_eq!(found.user.impersonate.as_deref(), Some("jane"));
    assert_eq!(found.user.impersonate_groups, Some(vec!["g".into()]));
    assert_eq!(found.user.impersonate_uid.as_deref(), Some("u"));
    assert_eq!(found.user.impersonate_user_extra.unwrap()["k"], ["1", "2"]);

    // --server needs no kubeconfig at all.
    let (_folder, none) = world(&[], &[]);
    let found = target(&none, &flags).unwrap();
    assert_eq!(found.cluster.server.as_deref(), Some("https://other"));
}

#[test]
fn an_empty_flag_is_unset() {
    let (_folder, environment) = world(&[("a", config("a"))], &["a"]);
    let empty = || Some(String::new());
    let flags = Global {
        namespace: empty(),
        context: empty(),
        cluster: empty(),
        user: empty(),
        server: empty(),
        token: empty(),
        impersonate: empty(),
        as_group: vec![String::new()],
        kubeconfig: Some(PathBuf::new()),
        certificate_authority: Some(PathBuf::new()),
        ..Global::default()
    };
    let flags = flags.without_empty_values();
    assert_eq!(flags.namespace, None);
    let found = target(&environment, &flags).unwrap();
    assert_eq!(found.context.as_deref(), Some("a"));
    assert_eq!(found.cluster.server.as_deref(), Some("https://a:6443"));
    assert_eq!(found.cluster.certificate_authority, None);
    let user = serde_json::to_value(&found.user).unwrap();
    assert_eq!(user["token"], "a-token");
    assert_eq!(found.user.impersonate, None);
}

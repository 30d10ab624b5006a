//! A user's credential plugin. It runs once; kube would run it three times, and quote its output in
//! errors, which can hold a token.

use std::{
    io::{self, ErrorKind, IsTerminal},
    process::{Output, Stdio},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use kube::config::{AuthInfo, ExecConfig, ExecInteractiveMode};
use serde::Deserialize;
use serde_json::json;
use tokio::process::Command;

use crate::kubeconfig::Target;

/// Whether a credential plugin may use the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Terminal {
    /// It may ask the user, unless the kubeconfig says otherwise, and its words are shown.
    Shared,
    /// It can't ask, and its words are dropped. Completion runs it while the user types.
    Withheld,
}

/// What a credential plugin prints.
#[derive(Deserialize)]
struct Credential {
    status: Option<Status>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    token: Option<String>,
    client_certificate_data: Option<String>,
    client_key_data: Option<String>,
}

/// Replaces the user's credential plugin with the credentials that it prints.
///
/// # Errors
///
/// The plugin can't be run, fails, or prints no credentials. Its arguments, environment and output
/// are never shown. The plugin is killed when the future is dropped.
pub async fn resolve(target: &mut Target, terminal: Terminal) -> Result<(), String> {
    // As with kubectl, a plugin reads standard input only where a person is there to write.
    let asks = terminal == Terminal::Shared && io::stdin().is_terminal();
    resolve_with(target, terminal, asks).await
}

/// [`resolve`], where `asks` says whether the plugin may ask the user.
async fn resolve_with(target: &mut Target, terminal: Terminal, asks: bool) -> Result<(), String> {
    let user = target.user_name.clone();
    if let Some(provider) = &target.user.auth_provider {
        return Err(format!(
            "user \"{user}\" of the kubeconfig uses the auth-provider \"{}\", which this \
             program does not know. Use a credential plugin, such as kubelogin for OIDC.",
            provider.name
        ));
    }
    let Some(exec) = target.user.exec.take() else {
        return Ok(());
    };
    let command = exec.command.clone().unwrap_or_default();
    if command.is_empty() {
        return Err(format!(
            "the credential plugin of user \"{user}\" of the kubeconfig has no command."
        ));
    }
    let gave_none =
        |why: &str| format!("\"{command}\" gave no credentials for user \"{user}\": {why}.");
    let mode = exec.interactive_mode.as_ref();
    if mode == Some(&ExecInteractiveMode::Always) && !asks {
        return Err(gave_none(
            "it asks questions, and standard input is no terminal",
        ));
    }
    let interactive = asks && mode != Some(&ExecInteractiveMode::Never);
    let output = run(&exec, &command, target, terminal, interactive).await;
    let output = output.map_err(|error| match error.kind() {
        ErrorKind::NotFound => {
            let hint = exec.install_hint.as_deref().unwrap_or("Install it.");
            format!(
                "user \"{user}\" of the kubeconfig gets its credentials from \"{command}\", which \
                 is not on PATH. {}",
                crate::clean::line(hint)
            )
        }
        _ => gave_none(&error.to_string()),
    })?;
    if !output.status.success() {
        return Err(gave_none(
            &output
                .status
                .to_string()
                .replace("exit status:", "exit status"),
        ));
    }
    // The parser's own words could quote the credentials.
    let credential = serde_yaml::from_slice::<Credential>(&output.stdout);
    let status = credential.ok().and_then(|credential| credential.status);
    let status = status.ok_or_else(|| gave_none("its output is no ExecCredential"))?;
    adopt(&mut target.user, status)
        .ok_or_else(|| gave_none("there is neither token nor certificate"))
}

/// Puts the credentials into the user's entry, where certificates are base64 of PEM.
fn adopt(user: &mut AuthInfo, status: Status) -> Option<()> {
    let certificate = status.client_certificate_data.zip(status.client_key_data);
    let token = status.token.filter(|token| !token.is_empty());
    if token.is_none() && certificate.is_none() {
        return None;
    }
    if let Some(token) = token {
        user.token = Some(token.into());
        user.token_file = None;
    }
    if let Some((certificate, key)) = certificate {
        user.client_certificate_data = Some(STANDARD.encode(certificate));
        user.client_key_data = Some(STANDARD.encode(key).into());
    }
    Some(())
}

async fn run(
    exec: &ExecConfig,
    command: &str,
    target: &Target,
    terminal: Terminal,
    interactive: bool,
) -> io::Result<Output> {
    let mut spec = json!({"interactive": interactive});
    if exec.provide_cluster_info {
        spec["cluster"] = cluster_info(target);
    }
    let info = json!({
        "apiVersion": exec.api_version,
        "kind": "ExecCredential",
        "spec": spec,
    });
    let environment = exec.env.iter().flatten();
    let environment = environment.filter_map(|pair| pair.get("name").zip(pair.get("value")));
    let shared_or_null = |shared: bool| {
        if shared {
            Stdio::inherit()
        } else {
            Stdio::null()
        }
    };
    // `output()` would capture standard error, too, so that no question of the program were seen.
    let child = Command::new(command)
        .args(exec.args.iter().flatten())
        .envs(environment)
        .env("KUBERNETES_EXEC_INFO", info.to_string())
        .stdin(shared_or_null(interactive))
        .stdout(Stdio::piped())
        .stderr(shared_or_null(terminal == Terminal::Shared))
        .kill_on_drop(true)
        .spawn()?;
    child.wait_with_output().await
}

/// The cluster as a plugin with `provideClusterInfo` gets it.
fn cluster_info(target: &Target) -> serde_json::Value {
    let cluster = &target.cluster;
    let file = cluster.certificate_authority.as_ref();
    let from_file = || Some(STANDARD.encode(std::fs::read(file?).ok()?));
    let authority = cluster.certificate_authority_data.clone();
    let extensions = cluster.extensions.iter().flatten();
    let config = extensions
        .filter(|one| one.name == "client.authentication.k8s.io/exec")
        .map(|one| one.extension.clone())
        .next();
    json!({
        "server": cluster.server,
        "tls-server-name": cluster.tls_server_name,
        "insecure-skip-tls-verify": cluster.insecure_skip_tls_verify,
        "certificate-authority-data": authority.or_else(from_file),
        "proxy-url": cluster.proxy_url,
        "config": config,
    })
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    fn target(exec: serde_json::Value) -> Target {
        Target {
            user_name: "eks".into(),
            user: serde_json::from_value(json!({"exec": exec})).unwrap(),
            ..Target::default()
        }
    }

    /// A program that counts its runs, and then runs this script.
    fn program(script: &str) -> (tempfile::TempDir, String) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("helper");
        let text = format!(
            "#!/bin/sh\necho run >>{}/runs\n{script}\n",
            folder.path().display()
        );
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        let path = path.to_str().unwrap().to_owned();
        (folder, path)
    }

    fn runs(folder: &tempfile::TempDir) -> usize {
        let runs = fs::read_to_string(folder.path().join("runs")).unwrap();
        runs.lines().count()
    }

    #[tokio::test]
    async fn a_missing_program_is_named_with_its_hint() {
        let mut target = target(json!({
            "command": "absent-helper", "installHint": "brew install x",
            "args": ["SECRET"], "env": [{"name": "A", "value": "SECRET"}],
        }));
        assert_eq!(
            resolve(&mut target, Terminal::Shared).await.unwrap_err(),
            "user \"eks\" of the kubeconfig gets its credentials from \"absent-helper\", which is \
             not on PATH. brew install x"
        );
    }

    #[tokio::test]
    async fn a_failed_program_ran_once_and_its_output_is_nowhere() {
        for (script, why) in [
            ("echo SECRET; exit 1", "exit status 1."),
            ("echo 'SECRET: ['", "its output is no ExecCredential."),
            (
                "echo '{\"status\": {\"other\": \"SECRET\"}}'",
                "neither token nor certificate.",
            ),
            (
                "echo '{\"status\": {\"token\": \"\"}}'",
                "neither token nor certificate.",
            ),
        ] {
            let (folder, path) = program(script);
            let mut target = target(json!({"command": path, "args": ["SECRET"]}));
            let error = resolve(&mut target, Terminal::Shared).await.unwrap_err();
            assert!(
                error.starts_with(&format!("\"{path}\" gave no credentials")),
                "{error}"
            );
            assert!(error.ends_with(why), "{error}");
            assert!(!error.contains("SECRET"), "{error}");
            assert_eq!(runs(&folder), 1);
        }
    }

    #[tokio::test]
    async fn a_token_or_a_certificate_takes_the_place_of_the_program() {
        let (folder, path) = program(
            "echo \"$KUBERNETES_EXEC_INFO\" | grep -q '\"interactive\":false' || exit 1\n\
             echo '{\"kind\": \"ExecCredential\", \"status\": {\"token\": \"t\", \
             \"clientCertificateData\": \"PEM\", \"clientKeyData\": \"KEY\"}}'",
        );
        let mut target = target(json!({"command": path, "interactiveMode": "Never"}));
        resolve(&mut target, Terminal::Shared).await.unwrap();
        assert!(target.user.exec.is_none());
        let user = serde_json::to_value(&target.user).unwrap();
        assert_eq!(user["token"], "t");
        assert_eq!(user["client-certificate-data"], "UEVN");
        assert_eq!(runs(&folder), 1);
    }

    #[tokio::test]
    async fn a_program_is_interactive_only_on_a_terminal() {
        let print = "echo \"{\\\"status\\\": {\\\"token\\\": \\\"$(echo $KUBERNETES_EXEC_INFO |\
                     grep -o 'interactive.:[a-z]*')\\\"}}\" | tr -d '\"' | sed 's/interactive:/is /'";
        for (mode, terminal, told) in [
            (None, false, "is false"),
            (None, true, "is true"),
            (Some("IfAvailable"), false, "is false"),
            (Some("Always"), true, "is true"),
            (Some("Never"), true, "is false"),
        ] {
            let (_folder, path) = program(print);
            let mut target = target(json!({"command": path, "interactiveMode": mode}));
            resolve_with(&mut target, Terminal::Shared, terminal)
                .await
                .unwrap();
            let user = serde_json::to_value(&target.user).unwrap();
            assert_eq!(user["token"], told, "{mode:?} {terminal}");
        }
        let (_folder, path) = program(print);
        let mut target = target(json!({"command": path, "interactiveMode": "Always"}));
        let error = resolve_with(&mut target, Terminal::Shared, false)
            .await
            .unwrap_err();
        assert!(error.contains("standard input is no terminal"), "{error}");
    }
}

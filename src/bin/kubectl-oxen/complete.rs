//! Candidates for the word that is being typed, in the form in which kubectl asks a plugin for
//! them.
//!
//! Each line is a candidate and its description, with a tab between them. The last line is a colon
//! and a sum of Cobra's directives. Whatever goes wrong, there are fewer candidates and no error,
//! because the user is typing.

use std::{
    ffi::{OsStr, OsString},
    fmt::{Debug, Write},
    future::Future,
    time::Duration,
};

use clap::{Arg, Args, CommandFactory, FromArgMatches};
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate, complete};
use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, api::ListParams, config::Kubeconfig};
use serde::de::DeserializeOwned;

use crate::{
    clean,
    cli::{Cli, Global},
    kubeconfig::{self, Environment, Source},
    session::Session,
};

/// The first argument of the program when kubectl asks for candidates.
pub const COMMAND: &str = "__complete";

/// The longest time for names of the cluster, the user's credential plugin included.
const BUDGET: Duration = Duration::from_millis(1500);

/// Cobra's directive for a candidate that goes on, such as a folder: no space follows.
const NO_SPACE: u8 = 2;

/// Cobra's directive against the names of files where there is no candidate.
const NO_FILES: u8 = 4;

/// Returns the candidates for the last word, which may be empty. The other words stand between
/// `kubectl oxen` and it.
pub fn answer(words: Vec<OsString>) -> String {
    let current = words.last().cloned().unwrap_or_default();
    let found = candidates(words, &current);
    let mut text = String::new();
    let mut goes_on = !found.is_empty();
    for (value, help) in found {
        goes_on &= value.ends_with(['/', '=']);
        let _ = match help {
            Some(help) => writeln!(text, "{value}\t{help}"),
            None => writeln!(text, "{value}"),
        };
    }
    let directive = NO_FILES + if goes_on { NO_SPACE } else { 0 };
    let _ = writeln!(text, ":{directive}");
    text
}

/// Each candidate with its description.
fn candidates(words: Vec<OsString>, current: &OsStr) -> Vec<(String, Option<String>)> {
    let before = words.split_last().map_or(&[][..], |(_, before)| before);
    let mut command = command(before);
    let last = before.len() + 1;
    let mut line = vec![OsString::from("kubectl-oxen")];
    line.extend(words);
    if line.len() == last {
        line.push(OsString::new());
    }
    let folder = std::env::current_dir().ok();
    let found = complete(&mut command, line, last, folder.as_deref()).unwrap_or_default();
    // The engine proposes flags for an empty word, too. They would bury the names.
    let wants_flag = current.as_encoded_bytes().starts_with(b"-");
    found
        .iter()
        .filter_map(|candidate| {
            let value = candidate.get_value().to_str()?;
            let help = candidate
                .get_help()
                .map(|help| clean::line(&help.to_string()));
            // A candidate with a control character can't be typed, and would break the form.
            let fits = (wants_flag || !value.starts_with('-')) && clean::line(value) == value;
            fits.then(|| (value.to_owned(), help))
        })
        .collect()
}

/// The command, whose arguments know the names of the cluster and of the kubeconfig.
fn command(before: &[OsString]) -> clap::Command {
    let flags = connection(before);
    let taken = taken(before);
    let objects = completer(flags.clone(), move |flags| {
        let names = within(objects(flags)).into_iter();
        names.filter(|name| !taken.contains(name)).collect()
    });
    let command = Cli::command().mut_subcommands(|command| {
        command.mut_args(|arg| match arg.get_id().as_str() {
            "name" | "names" if arg.is_positional() => arg.add(objects.clone()),
            _ => arg,
        })
    });
    let entries = |names: fn(&Kubeconfig) -> Vec<String>| {
        completer(flags.clone(), move |flags| entries(flags, names))
    };
    let contexts = |all: &Kubeconfig| all.contexts.iter().map(|it| it.name.clone()).collect();
    let clusters = |all: &Kubeconfig| all.clusters.iter().map(|it| it.name.clone()).collect();
    let users = |all: &Kubeconfig| all.auth_infos.iter().map(|it| it.name.clone()).collect();
    let namespaces = completer(flags.clone(), |flags| within(namespaces(flags)));
    command
        .mut_arg("context", |arg| arg.add(entries(contexts)))
        .mut_arg("cluster", |arg| arg.add(entries(clusters)))
        .mut_arg("user", |arg| arg.add(entries(users)))
        .mut_arg("namespace", |arg| arg.add(namespaces))
}

/// The names of objects that stand on the line. A value of a flag is none of them.
fn taken(words: &[OsString]) -> Vec<String> {
    let line = std::iter::once(OsString::from("kubectl-oxen")).chain(words.iter().cloned());
    let matches = Cli::command()
        .ignore_errors(true)
        .try_get_matches_from(line);
    let Ok(matches) = matches else {
        return Vec::new();
    };
    let Some((_, matches)) = matches.subcommand() else {
        return Vec::new();
    };
    let values = ["name", "names"].map(|id| matches.try_get_raw(id).ok().flatten());
    let values = values.into_iter().flatten().flatten();
    values.map(|it| it.to_string_lossy().into_owned()).collect()
}

/// A completer of the names that begin with the word. It has none where the flags can't be read.
fn completer(
    flags: Option<Global>,
    names: impl Fn(&Global) -> Vec<String> + Send + Sync + 'static,
) -> ArgValueCompleter {
    ArgValueCompleter::new(move |current: &OsStr| {
        let current = current.to_string_lossy();
        let mut found = flags.as_ref().map(&names).unwrap_or_default();
        found.retain(|name| name.starts_with(&*current));
        found.sort_unstable();
        found
            .into_iter()
            .map(CompletionCandidate::new)
            .collect::<Vec<_>>()
    })
}

/// Reads the flags of the connection that stand on the line. clap can't read the line as a whole,
/// because it isn't complete.
fn connection(words: &[OsString]) -> Option<Global> {
    let command = clap::Command::new("kubectl-oxen").no_binary_name(true);
    let mut command = Global::augment_args(command);
    let (mut kept, mut words) = (Vec::new(), words.iter());
    while let Some(word) = words.next() {
        let text = word.to_str().unwrap_or_default();
        if text == "--" {
            break;
        }
        let Some(flag) = command.get_arguments().find(|flag| is_flag(flag, text)) else {
            continue;
        };
        let alone = text.len() == 2 || (text.starts_with("--") && !text.contains('='));
        if alone && flag.get_action().takes_values() {
            // Without a value, this is the flag whose value is being typed.
            let Some(value) = words.next() else { break };
            kept.extend([word.clone(), value.clone()]);
        } else {
            kept.push(word.clone());
        }
    }
    let matches = command.try_get_matches_from_mut(kept).ok()?;
    let flags = Global::from_arg_matches(&matches).ok()?;
    Some(Global {
        verbose: false,
        ..flags
    })
}

/// Returns true for `--namespace`, `--namespace=a`, `-n` and `-na`.
fn is_flag(flag: &Arg, word: &str) -> bool {
    if let Some(name) = word.strip_prefix("--") {
        let name = name.split_once('=').map_or(name, |(name, _)| name);
        return flag.get_long() == Some(name);
    }
    let short = word.strip_prefix('-').and_then(|rest| rest.chars().next());
    short.is_some() && flag.get_short() == short
}

/// The names in the kubeconfig.
fn entries(flags: &Global, names: fn(&Kubeconfig) -> Vec<String>) -> Vec<String> {
    match kubeconfig::read(flags, &Environment::of_process()) {
        Ok(Source::Files(files)) => names(&files),
        Ok(Source::Pod) | Err(_) => Vec::new(),
    }
}

/// The names of the namespace's OxenModels.
async fn objects(flags: &Global) -> Option<Vec<String>> {
    let session = Session::open_quietly(flags).await.ok()?;
    listed(session.models(Some(&session.namespace))).await
}

/// The names of the namespaces.
async fn namespaces(flags: &Global) -> Option<Vec<String>> {
    let session = Session::open_quietly(flags).await.ok()?;
    listed(Api::<Namespace>::all(session.client)).await
}

/// The names of all objects of an API, from the API server's cache.
async fn listed<K>(api: Api<K>) -> Option<Vec<String>>
where
    K: Clone + DeserializeOwned + Debug,
{
    let listed = api.list_metadata(&ListParams::default().match_any()).await;
    let names = listed.ok()?.items.into_iter();
    Some(names.filter_map(|item| item.metadata.name).collect())
}

/// The names, or none where they can't be had in time.
fn within(names: impl Future<Output = Option<Vec<String>>>) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let Ok(runtime) = runtime else {
        return Vec::new();
    };
    let found = runtime.block_on(async { tokio::time::timeout(BUDGET, names).await });
    // A name that is still being resolved delays no answer.
    runtime.shutdown_background();
    found.ok().flatten().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer_to(line: &[&str]) -> String {
        answer(line.iter().map(OsString::from).collect())
    }

    #[test]
    fn commands_and_flags_are_proposed_with_their_descriptions() {
        let text = answer_to(&["sta"]);
        assert_eq!(
            text,
            "status\tShow one model, or a table of all models\n:4\n"
        );
        let text = answer_to(&["on", "--u"]);
        assert!(
            text.starts_with("--until\tWhen it ends, such as 18:00"),
            "{text}"
        );
        assert!(text.ends_with("\n:4\n"), "{text}");
        assert!(!answer_to(&[""]).contains("--"), "an empty word is no flag");
        assert_eq!(answer_to(&["status", "-o", "j"]), "json\n:4\n");
        assert_eq!(answer_to(&["on", "--until", ""]), ":4\n");
        assert!(answer_to(&[]).contains("status\t"));
    }

    #[test]
    fn a_name_that_is_the_value_of_a_flag_is_not_taken() {
        for (line, names) in [
            ("on a -n b", &["a"][..]),
            ("on -n b a", &["a"]),
            ("on a --for 2h c --context=d", &["a", "c"]),
            ("--namespace b off a c", &["a", "c"]),
            ("status a", &["a"]),
            ("on a -n", &["a"]),
            ("on a --absent", &["a"]),
            ("-n b", &[]),
            ("", &[]),
        ] {
            let words: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
            assert_eq!(taken(&words), names, "{line}");
        }
    }

    #[test]
    fn the_flags_of_the_connection_are_read_in_any_place() {
        for line in [
            "on a --until 18:00 -n team --context=c --as=x",
            "-nteam --context c --as x on a -o",
            "--context c on --for 2h --as x -n=team a",
        ] {
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            let flags = connection(&words).unwrap();
            assert_eq!(flags.namespace.as_deref(), Some("team"), "{line}");
            assert_eq!(flags.context.as_deref(), Some("c"), "{line}");
            assert_eq!(flags.impersonate.as_deref(), Some("x"), "{line}");
        }
        let words = ["status", "-n"].map(OsString::from);
        assert!(connection(&words).unwrap().namespace.is_none());
        for line in ["status -n a -n b", "--request-timeout x"] {
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            assert!(connection(&words).is_none(), "{line}");
        }
    }
}

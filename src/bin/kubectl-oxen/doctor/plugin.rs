//! Whether kubectl finds this program for each of its commands. kubectl looks for
//! `kubectl-oxen-status` before `kubectl-oxen`, so a stray file takes the place of a command.

use std::path::{Path, PathBuf};

use clap::CommandFactory;

use super::report::{Check, Group};
use crate::cli::Cli;

const SHADOWED: &str = "plugin-shadowed";

/// The group of the program itself.
pub fn group() -> Group {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let about = format!("kubectl-oxen {}", env!("CARGO_PKG_VERSION"));
    Group::new("PLUGIN", about, vec![check(&folders)])
}

fn check(folders: &[PathBuf]) -> Check {
    let cli = Cli::command();
    let commands: Vec<&str> = cli.get_subcommands().map(clap::Command::get_name).collect();
    let found = folders.iter().find_map(|folder| stray(folder, &commands));
    match found {
        None => Check::ok(
            SHADOWED,
            "no other file on PATH takes the place of a command",
        ),
        Some(path) => Check::warn(
            SHADOWED,
            format!("kubectl runs {} in place of a command", path.display()),
        )
        .fix(format!("rm '{}'", path.display())),
    }
}

/// A file of the folder that kubectl takes for a command of the plugin.
fn stray(folder: &Path, commands: &[&str]) -> Option<PathBuf> {
    let names = commands
        .iter()
        .map(|command| format!("kubectl-oxen-{command}"));
    let mut paths = names.map(|name| folder.join(name));
    paths.find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_takes_the_place_of_a_command_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let folders = [folder.path().to_owned()];
        assert!(check(&folders).fix.is_empty());
        std::fs::write(folder.path().join("kubectl-oxen-on"), "").unwrap();
        let path = folder.path().display();
        assert_eq!(
            check(&folders).fix,
            [format!("rm '{path}/kubectl-oxen-on'")]
        );
    }
}

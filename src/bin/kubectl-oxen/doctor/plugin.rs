//! Whether kubectl finds this program for each of its commands. kubectl looks for
//! `kubectl-oxen-status` before `kubectl-oxen`, so a stray file takes the place of a command.

use std::path::{Path, PathBuf};

use clap::CommandFactory;

use super::{
    paste::quote,
    report::{Check, Group},
};
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
    let found = folders.iter().flat_map(|folder| strays(folder, &commands));
    let mut found: Vec<String> = found.map(|path| path.display().to_string()).collect();
    found.sort();
    found.dedup();
    if found.is_empty() {
        let message = "no other file on PATH takes the place of a command";
        return Check::ok(SHADOWED, message);
    }
    let quoted: Vec<String> = found.iter().map(|path| quote(path)).collect();
    let message = format!("kubectl runs {} in place of a command", found.join(", "));
    Check::warn(SHADOWED, message).see(format!("ls -l {}", quoted.join(" ")))
}

/// The files of the folder that kubectl takes for commands of the plugin.
fn strays(folder: &Path, commands: &[&str]) -> Vec<PathBuf> {
    let names = commands
        .iter()
        .map(|command| format!("kubectl-oxen-{command}"));
    let paths = names.map(|name| folder.join(name));
    paths.filter(|path| is_program(path)).collect()
}

#[cfg(unix)]
fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    let metadata = path.metadata();
    metadata.is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_program(path: &Path) -> bool {
    path.is_file()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_program_that_takes_the_place_of_a_command_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("it's");
        std::fs::create_dir(&folder).unwrap();
        let folders = [folder.clone(), folder.clone()];
        let files = ["on", "off", "status"].map(|it| folder.join(format!("kubectl-oxen-{it}")));
        for file in &files {
            std::fs::write(file, "").unwrap();
        }
        assert!(check(&folders).see.is_empty());
        for file in &files[..2] {
            let program = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            std::fs::set_permissions(file, program).unwrap();
        }
        let check = check(&folders);
        let [on, off, _] = files.map(|file| quote(&file.display().to_string()));
        assert_eq!(check.see, [format!("ls -l {off} {on}")]);
        assert!(check.fix.is_empty() && off.contains(r"it'\''s"));
    }
}

//! `completion`: the scripts that complete names and flags.

use clap::CommandFactory;
use clap_complete::{aot, generate};

use crate::{
    cli::{Cli, CompletionArgs, Shell},
    complete,
    console::Console,
    outcome::{Failure, Outcome},
};

/// Prints the script for kubectl, or for a shell.
pub fn run(args: &CompletionArgs, console: &Console) -> Result<Outcome, Failure> {
    let shell = match args.shell {
        Shell::Kubectl => {
            let command = complete::COMMAND;
            console.print(&format!("#!/bin/sh\nexec kubectl-oxen {command} \"$@\"\n"))?;
            return Ok(Outcome::Done);
        }
        Shell::Bash => aot::Shell::Bash,
        Shell::Zsh => aot::Shell::Zsh,
        Shell::Fish => aot::Shell::Fish,
    };
    let mut script = Vec::new();
    generate(shell, &mut Cli::command(), "kubectl-oxen", &mut script);
    console.print(&String::from_utf8_lossy(&script))?;
    Ok(Outcome::Done)
}

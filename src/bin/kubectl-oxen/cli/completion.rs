//! The arguments of `completion`.

use clap::{Args, ValueEnum};

const INSTALL: &str = "\
kubectl calls a program named kubectl_complete-oxen on PATH:
  kubectl oxen completion kubectl > ~/.local/bin/kubectl_complete-oxen
  chmod +x ~/.local/bin/kubectl_complete-oxen

The scripts for the shells complete `kubectl-oxen` itself.";

/// The arguments of `completion`.
#[derive(Args)]
#[command(after_help = INSTALL)]
pub struct CompletionArgs {
    /// kubectl, bash, zsh or fish
    #[arg(hide_possible_values = true)]
    pub shell: Shell,
}

/// Who asks for completion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    Kubectl,
    Bash,
    Zsh,
    Fish,
}

//! The flags fit together, and wrong usage is refused.

use clap::CommandFactory;

use super::*;

#[test]
fn the_flags_fit_together_and_the_help_fits_80_columns() {
    Cli::command().debug_assert();
    let mut command = Cli::command();
    command.build();
    let commands: Vec<_> = command.get_subcommands().cloned().collect();
    for mut command in std::iter::once(command).chain(commands) {
        for help in [command.render_help(), command.render_long_help()] {
            let help = help.to_string();
            for line in help.lines().filter(|line| !line.starts_with("Usage")) {
                assert!(line.len() <= 80, "{line}");
            }
        }
    }
}

#[test]
fn kubectls_flags_stand_before_and_after_the_command() {
    for line in [
        "kubectl-oxen --context c -n a status bot",
        "kubectl-oxen status bot --context c -n a",
        "kubectl-oxen status --context c oxm/bot -n a",
    ] {
        let cli = Cli::try_parse_from(line.split(' ')).ok().unwrap();
        assert_eq!(cli.global.context.as_deref(), Some("c"), "{line}");
        assert_eq!(cli.global.namespace.as_deref(), Some("a"), "{line}");
        let Some(Command::Status(args)) = cli.command else {
            panic!("{line}");
        };
        assert_eq!(args.chosen.name.as_deref(), Some("bot"));
    }
}

#[test]
fn wrong_usage_is_refused_with_the_right_form() {
    for (line, words) in [
        ("on", "<NAME>"),
        ("on bot --until 18:00 --for 2h", "cannot be used with"),
        ("on bot --dry-run", "--dry-run=client or --dry-run=server"),
        ("on bot --dry-run=server --wait", "cannot be used with"),
        ("on bot --wait --timeout 0", "it must be longer than 0"),
        ("on -l  --for 2h", "it is blank: write labels"),
        ("off --selector=", "it is blank: write labels"),
        ("suspend -l ", "it is blank: write labels"),
        ("status pod/bot", "it is not an OxenModel"),
        ("status Bot", "it is not an object name"),
        ("status bot -A", "cannot be used with"),
    ] {
        let all = std::iter::once("kubectl-oxen").chain(line.split(' '));
        let error = Cli::try_parse_from(all).err().unwrap().to_string();
        assert!(error.contains(words), "{line}: {error}");
    }
}

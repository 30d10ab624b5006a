//! The man page `docs/kubectl-oxen.1` is the help of the commands. `make docs` writes it.

use std::{env, fs, path::Path};

use clap::CommandFactory;
use clap_mangen::Man;

use super::Cli;

/// One page with a section for each command. Flags of every command stand once, at the top.
fn page() -> String {
    // The man page has room for what the short help leaves out.
    let shown = |arg: clap::Arg| arg.hide_short_help(false);
    let command = Cli::command().mut_args(shown).disable_version_flag(true);
    let man = Man::new(command).title("KUBECTL-OXEN").manual("kubectl");
    let mut page = Vec::new();
    man.render_title(&mut page).unwrap();
    man.render_name_section(&mut page).unwrap();
    page.extend(b".SH SYNOPSIS\n\\fBkubectl oxen\\fR \\fICOMMAND\\fR [\\fIFLAGS\\fR]\n");
    man.render_options_section(&mut page).unwrap();
    for command in Cli::command().get_subcommands() {
        let name = format!("kubectl oxen {}", command.get_name());
        let notes = command.get_after_help().is_some();
        let command = command.clone().bin_name(&name).disable_help_flag(true);
        let man = Man::new(command);
        let mut section = Vec::new();
        man.render_synopsis_section(&mut section).unwrap();
        man.render_description_section(&mut section).unwrap();
        man.render_options_section(&mut section).unwrap();
        if notes {
            man.render_extra_section(&mut section).unwrap();
        }
        let section = String::from_utf8(section).unwrap();
        let section = section.replace(".SH ", ".SS ");
        page.extend(format!(".SH \"{}\"\n{section}", name.to_uppercase()).bytes());
    }
    man.render_extra_section(&mut page).unwrap();
    let page = String::from_utf8(page).unwrap();
    page.replace(" EXTRA\n", " NOTES\n")
}

#[test]
fn the_man_page_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/kubectl-oxen.1");
    let page = page();
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &page).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == page,
        "docs/kubectl-oxen.1 is stale: run `make docs`"
    );
}

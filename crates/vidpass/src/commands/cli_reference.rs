//! The reference of the command line, as Markdown: every command's own `--help`.

use std::fmt::Write as _;

use clap::{Command, CommandFactory as _};

use crate::cli::Cli;

/// The reference, one section for each command.
pub(crate) fn markdown() -> String {
    let mut text = String::from("# Command line\n\nMade by `vidpass cli-reference`; do not edit.\n");
    // A fixed width: the document must not depend on the terminal of whoever makes it.
    let mut root = Cli::command().term_width(100).disable_help_subcommand(true);
    root.build();
    section(&root, "vidpass", &mut text);
    text
}

fn section(command: &Command, name: &str, text: &mut String) {
    let help = command.clone().bin_name(name).display_name(name).render_long_help();
    let lines: Vec<String> = help.to_string().lines().map(|line| line.trim_end().to_owned()).collect();
    write!(text, "\n## {name}\n\n```text\n{}\n```\n", lines.join("\n").trim_end()).expect("a string takes all text");
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        section(sub, &format!("{name} {}", sub.get_name()), text);
    }
}

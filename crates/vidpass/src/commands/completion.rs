//! `vidpass completion`

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use crate::cli::Cli;

/// Print a completion script for a shell.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  vidpass completion bash > /etc/bash_completion.d/vidpass")]
pub(crate) struct Completion {
    /// The shell
    shell: Shell,
}

impl Completion {
    pub(crate) fn run(&self) {
        clap_complete::generate(self.shell, &mut Cli::command(), "vidpass", &mut std::io::stdout());
    }
}

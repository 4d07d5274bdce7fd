//! `vidpass doctor`

mod certificate;
mod database;
mod finding;
mod settings;
mod source;

use clap::Args;

use self::finding::{Finding, Level};
use super::Outcome;
use crate::cli::Common;
use crate::config::Roles;
use crate::output::{line, print_list};
use crate::{clock, config};

/// Look for what is wrong with a server, and say what to do about it
#[derive(Args, Debug)]
#[command(after_help = "\
Reads the configuration as `vidpass serve` does, and changes nothing but an older schema. It may run beside a server.

Exit codes: 0 nothing is broken (there may be warnings), 1 something is, 2 it could not look.")]
pub(crate) struct Doctor {
    #[command(flatten)]
    common: Common,
}

impl Doctor {
    pub(crate) async fn run(self) -> anyhow::Result<Outcome> {
        let findings = match config::read(&self.common.place.clone().into()) {
            Err(problem) => {
                vec![Finding::broken(
                    "configuration",
                    &problem,
                    "mend each setting; `vidpass.toml` explains all of them",
                )]
            }
            Ok(config) => {
                let mut findings = settings::examine(&config);
                findings.extend(certificate::examine(&config, clock::now()));
                match config.roles {
                    Roles::Both | Roles::Issuer => findings.extend(database::examine(&config, clock::now()).await),
                    Roles::Gate => findings.push(source::examine(&config).await),
                }
                findings
            }
        };
        self.print(&findings);
        let broken = findings.iter().any(|finding| finding.level == Level::Broken);
        Ok(if broken { Outcome::Refused } else { Outcome::Done })
    }

    fn print(&self, findings: &[Finding]) {
        if self.common.json {
            return print_list(true, &findings.iter().map(Finding::to_json).collect::<Vec<_>>());
        }
        for finding in findings {
            line(&finding.to_string());
        }
    }
}

//! What a run leaves behind: a line for each bar, RESULTS.md, and the plot in it.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;

use crate::bar::{Bar, Outcome};
use crate::contest::{Figures, extremes, median};
use crate::vidpass::installed;
use crate::{Bench, machine, plot};

/// Up to this load, builds that have just ended or daemons that do little, the machine counts as quiet.
const QUIET: f64 = 2.5;

/// A bar that was run.
pub(crate) struct Measured {
    pub(crate) bar: &'static Bar,
    pub(crate) outcome: Outcome,
}

/// All that were run.
pub(crate) struct Report {
    measured: Vec<Measured>,
    machine: Vec<(String, String)>,
    versions: Vec<(String, String)>,
    rounds: usize,
    window: Duration,
    /// The load of the minute before, where it was too high to measure beside it.
    busy: Option<f64>,
}

impl Measured {
    /// `bar NAME RATIO WANT ok|short`
    pub(crate) fn line(&self) -> String {
        let (name, want) = (self.bar.name, self.bar.want);
        match &self.outcome {
            Outcome::Unavailable(why) => format!("bar {name} - {want} unavailable: {}", one_line(why)),
            Outcome::Measured(figures) => {
                let ratio = median(&figures.ratios());
                format!("bar {name} {} {want} {}", short(ratio), self.verdict(figures))
            }
        }
    }

    fn verdict(&self, figures: &Figures) -> String {
        match figures.limit().filter(|limit| !self.bar.want.is_met(*limit)) {
            _ if self.is_met(figures) => "ok".to_owned(),
            // In no round would ours have come far enough if it did nothing else.
            Some(limit) => format!("short, at most {}", short(limit)),
            None => "short".to_owned(),
        }
    }

    pub(crate) fn is_met(&self, figures: &Figures) -> bool {
        !figures.is_broken && self.bar.want.is_met(median(&figures.ratios()))
    }

    fn row(&self) -> String {
        let Bar { name, what, against, want, .. } = self.bar;
        let (result, spread) = match &self.outcome {
            Outcome::Unavailable(why) => (format!("unavailable: {}", one_line(why)), "–".to_owned()),
            Outcome::Measured(figures) => {
                let ratios = figures.ratios();
                let (ratio, (low, high)) = (median(&ratios), extremes(&ratios));
                (format!("**{}** {}", short(ratio), self.verdict(figures)), format!("{} – {}", short(low), short(high)))
            }
        };
        format!("| `{name}` | {what} | {against} | {want} | {result} | {spread} |\n")
    }

    fn details(&self) -> String {
        let Outcome::Measured(figures) = &self.outcome else { return String::new() };
        let mut text = format!(
            "\n### `{}`: {}\n\n| candidate | median | min | max |\n|---|--:|--:|--:|\n",
            self.bar.name, self.bar.unit
        );
        for row in &figures.rows {
            let (low, high) = extremes(&row.figures);
            let figures = [row.median(), low, high].map(absolute);
            text.push_str(&format!("| {} | {} |\n", row.name, figures.join(" | ")));
        }
        let remarks = one_line(&figures.remarks.join(" "));
        if remarks.is_empty() { text } else { format!("{text}\n{remarks}\n") }
    }

    pub(crate) fn figures(&self) -> Option<&Figures> {
        match &self.outcome {
            Outcome::Measured(figures) => Some(figures),
            Outcome::Unavailable(_) => None,
        }
    }
}

impl Report {
    pub(crate) fn new(bench: &Bench) -> Self {
        Self {
            measured: Vec::new(),
            machine: machine::description(),
            versions: versions(bench),
            rounds: bench.rounds,
            window: bench.window,
            busy: Some(machine::load()).filter(|load| *load > QUIET),
        }
    }

    pub(crate) fn add(&mut self, measured: Measured) {
        self.measured.push(measured);
    }

    /// Writes `RESULTS.md` and `RESULTS.svg`.
    pub(crate) fn write(&self, folder: &Path, took: Duration) -> anyhow::Result<()> {
        std::fs::create_dir_all(folder)?;
        std::fs::write(folder.join("RESULTS.svg"), plot::draw(&self.measured))?;
        std::fs::write(folder.join("RESULTS.md"), self.text(took)?).context("RESULTS.md cannot be written")
    }

    fn text(&self, took: Duration) -> anyhow::Result<String> {
        let mut text = String::from("# Results\n\nWritten by `make bench`; do not edit.\n\n");
        writeln!(
            text,
            "{} rounds, {} ms a candidate in each, in turn; {} s in all. The servers have core {}, the load core {}.\n\
             A ratio is ours over the reference of the same round; the median of them is the result. Rates are answers per \
             second of CPU of all the server's processes.\n\n![Ratios](RESULTS.svg)\n",
            self.rounds,
            self.window.as_millis(),
            took.as_secs(),
            machine::SERVER_CORE,
            machine::LOAD_CORE,
        )?;
        if let Some(load) = self.busy {
            writeln!(
                text,
                "**The machine was busy** (load {load}): rates are too low, and ratios rough. Run it anew when it is quiet.\n"
            )?;
        }
        text.push_str("| bar | what | against | want | median | min – max |\n|---|---|---|---|---|---|\n");
        self.measured.iter().for_each(|measured| text.push_str(&measured.row()));
        text.push_str("\n## Machine\n\n| | |\n|---|---|\n");
        for (name, value) in self.machine.iter().chain(&self.versions) {
            writeln!(text, "| {name} | {value} |")?;
        }
        text.push_str("\n## Figures\n");
        self.measured.iter().for_each(|measured| text.push_str(&measured.details()));
        Ok(text)
    }
}

/// The versions of all that took part.
fn versions(bench: &Bench) -> Vec<(String, String)> {
    let programs = [
        ("nginx", "-v"),
        ("haproxy", "-v"),
        ("caddy", "version"),
        ("traffic_server", "--version"),
        ("node", "--version"),
        ("python3", "--version"),
        ("openssl", "version"),
    ];
    let mut versions = vec![("vidpass".to_owned(), machine::version(&bench.vidpass, "--version"))];
    versions.extend(programs.map(|(name, argument)| {
        let version = installed(name).map(|program| machine::version(&program, argument));
        (name.to_owned(), version.unwrap_or_else(|_| "not installed".to_owned()))
    }));
    versions
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "/")
}

/// A ratio, or a figure of its own, as short as it may be.
pub(crate) fn short(value: f64) -> String {
    if value >= 100.0 {
        format!("{value:.0}")
    } else if value >= 10.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    }
}

/// With thousands apart.
fn absolute(value: f64) -> String {
    if value < 100.0 {
        return short(value);
    }
    let digits = format!("{value:.0}");
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().filter_map(|group| std::str::from_utf8(group).ok()).collect();
    groups.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bar::BARS;
    use crate::contest::{Better, Candidate, compete};

    #[test]
    fn at_most_is_said_only_where_the_best_round_of_a_limit_is_short_too() {
        let bar = BARS.iter().find(|bar| bar.name == "issue_batched").unwrap();
        let line = |ours: f64, limits: [f64; 2]| {
            let mut limits = limits.into_iter();
            let others =
                vec![Candidate::new("off", || Ok(1.0)), Candidate::limit("eight", move || Ok(limits.next().unwrap()))];
            let figures = compete(2, Better::More, Candidate::new("on", move || Ok(ours)), others).unwrap();
            Measured { bar, outcome: Outcome::Measured(figures) }.line()
        };
        assert_eq!(line(3.5, [4.0, 4.0]), "bar issue_batched 3.50 >=3 ok");
        assert_eq!(line(2.0, [2.5, 3.0]), "bar issue_batched 2.00 >=3 short");
        assert_eq!(line(2.0, [2.5, 2.2]), "bar issue_batched 2.00 >=3 short, at most 2.50");
    }

    #[test]
    fn figures() {
        assert_eq!(absolute(1_234_567.4), "1,234,567");
        assert_eq!(absolute(123.0), "123");
        assert_eq!(absolute(12.34), "12.3");
        assert_eq!(short(0.987), "0.99");
    }
}

//! Measures vidpass against its peers: each figure is a ratio of two things that ran side by side in this very run.

mod bar;
mod bars;
mod contest;
mod floor;
mod hot;
mod http_text;
mod load;
mod machine;
mod nginx;
mod peer;
mod plot;
mod process;
mod report;
mod secure;
mod tokens;
mod vidpass;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Parser;

use crate::bar::{BARS, Bar, Outcome};
use crate::report::{Measured, Report};

/// Measure vidpass against its peers
#[derive(Debug, Parser)]
#[command(after_help = "\
`make bench` installs the peers, builds, and runs all bars in a network namespace of its own;
`make bench BARS=\"verify_hot serve_1m\"` only those. Each prints one line:

  bar NAME RATIO WANT ok|short         the median of the rounds, and what it should be
  bar NAME RATIO WANT short, at most X the work that cannot be left out, by itself, came no further in its best round
  bar NAME - WANT unavailable: WHY     it could not be measured on this machine

bench/RESULTS.md has the rest: median, minimum and maximum, and what was divided by what.")]
pub(crate) struct Options {
    /// Only these bars [default: all]
    #[arg(value_name = "BAR")]
    bars: Vec<String>,
    /// List the bars, and what each compares
    #[arg(long)]
    list: bool,
    /// How many rounds; each measures every candidate once
    #[arg(long, default_value_t = 5, value_name = "N")]
    rounds: usize,
    /// For how long a candidate is measured in a round, in milliseconds
    #[arg(long, default_value_t = 1000, value_name = "MS")]
    window: u64,
    /// Begin no further bar after so many seconds
    #[arg(long, default_value_t = 1100, value_name = "S")]
    within: u64,
    /// The program to measure [default: the one beside this program]
    #[arg(long, value_name = "FILE")]
    vidpass: Option<PathBuf>,
    /// The folder `bench` of the checkout
    #[arg(long, default_value = "bench", value_name = "DIR")]
    folder: PathBuf,
    /// What `bench/setup` installed, and where logs go
    #[arg(long, default_value = "build/bench", value_name = "DIR")]
    build: PathBuf,
    /// Count the instructions and allocations of the hot functions with valgrind, and measure nothing else
    #[arg(long)]
    count: bool,
    /// Do one of the hot functions again and again: for valgrind, which runs this program so
    #[arg(long, value_name = "NAME", hide = true)]
    repeat: Option<String>,
    #[arg(long, default_value_t = 1, hide = true)]
    times: u32,
    /// Answer 204 at this address to whatever comes: for bars that ask how fast that can be
    #[arg(long, value_name = "ADDRESS", hide = true)]
    answer: Option<std::net::SocketAddr>,
    /// Write RESULTS.md and its plot to this folder [default: the folder `bench`]
    #[arg(long, value_name = "DIR")]
    results: Option<PathBuf>,
}

/// What every bar gets.
pub(crate) struct Bench {
    /// The program under test.
    pub(crate) vidpass: PathBuf,
    /// Our folder in the checkout.
    pub(crate) folder: PathBuf,
    /// Peers that were installed, and logs.
    pub(crate) build: PathBuf,
    pub(crate) rounds: usize,
    pub(crate) window: Duration,
}

fn main() -> ExitCode {
    match run(Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: Options) -> anyhow::Result<()> {
    if options.list {
        BARS.iter().for_each(|bar| println!("{:18} {}, against {}", bar.name, bar.what, bar.against));
        return Ok(());
    }
    if let Some(name) = &options.repeat {
        return hot::repeat(name, options.times);
    }
    if let Some(address) = options.answer {
        return floor::answer(address);
    }
    if options.count {
        return hot::guard(&options.folder.join("instructions.txt"));
    }
    let chosen = chosen(&options.bars)?;
    let bench = Bench::new(&options)?;
    machine::allow_many_files();
    machine::pin(machine::LOAD_CORE)?;
    let started = Instant::now();
    let mut report = Report::new(&bench);
    for bar in chosen {
        let outcome = if started.elapsed() > Duration::from_secs(options.within) {
            Outcome::unavailable("no time was left for it")
        } else {
            // One bar that cannot be measured says so, and the others go on.
            (bar.run)(&bench).unwrap_or_else(|error| Outcome::unavailable(format!("{error:#}")))
        };
        let measured = Measured { bar, outcome };
        println!("{}", measured.line());
        report.add(measured);
    }
    let results = options.results.unwrap_or(options.folder);
    report.write(&results, started.elapsed())
}

fn chosen(names: &[String]) -> anyhow::Result<Vec<&'static Bar>> {
    if names.is_empty() {
        return Ok(BARS.iter().collect());
    }
    let find = |name: &String| BARS.iter().find(|bar| bar.name == name);
    names.iter().map(|name| find(name).with_context(|| format!("there is no bar {name}; --list names them"))).collect()
}

impl Bench {
    fn new(options: &Options) -> anyhow::Result<Self> {
        let beside = std::env::current_exe()?.with_file_name("vidpass");
        let vidpass = options.vidpass.clone().unwrap_or(beside);
        let absolute = |path: &PathBuf| path.canonicalize().with_context(|| format!("{} is not there", path.display()));
        std::fs::create_dir_all(options.build.join("logs"))?;
        Ok(Self {
            vidpass: absolute(&vidpass).context("build it first: cargo build --release")?,
            folder: absolute(&options.folder)?,
            build: absolute(&options.build)?,
            rounds: options.rounds.max(1),
            window: Duration::from_millis(options.window),
        })
    }
}

//! Hot functions under valgrind, which counts what noise cannot blur: instructions, and allocations.
//!
//! This program runs itself twice, with work repeated `FEW` and `MANY` times: what the difference took is the work's alone.

use std::hint::black_box;
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail, ensure};
use vidpass_token::{Algorithm, MediaPath, UnverifiedToken};

use crate::bars::micro::{Answering, Decision};
use crate::tokens;
use crate::vidpass::installed;

const FEW: u32 = 200;
const MANY: u32 = 1_200;

/// What is counted.
pub(crate) const HOT: [&str; 4] = ["path", "decision", "answer", "token"];

/// What one repetition takes.
pub(crate) struct Count {
    pub(crate) instructions: f64,
    pub(crate) allocations: f64,
}

/// Does `name` so many times; runs under valgrind.
pub(crate) fn repeat(name: &str, times: u32) -> anyhow::Result<()> {
    // Whose signature it is does not matter to what is done after the check, and RSA keys take minutes to make here.
    match name {
        "path" => {
            let key = tokens::signing_key(Algorithm::EdDsa)?;
            let token = key.sign(&tokens::claims(0, tokens::rules()?)?)?;
            let path = format!("/{}/seg/1080p-00001.m4s", token.as_str());
            for _ in 0..times {
                black_box(MediaPath::parse(black_box(&path))?);
            }
        }
        "decision" => {
            let decision = Decision::new(Algorithm::EdDsa)?;
            for _ in 0..times {
                decision.make()?;
            }
        }
        "answer" => {
            let answering = Answering::new(Algorithm::EdDsa, tokens::rules()?, 1, 0)?;
            for _ in 0..times {
                answering.answer()?;
            }
        }
        "token" => {
            let key = tokens::signing_key(Algorithm::EdDsa)?;
            let token = key.sign(&tokens::claims(0, tokens::rules()?)?)?;
            for _ in 0..times {
                black_box(UnverifiedToken::parse(black_box(token.as_str()))?);
            }
        }
        _ => bail!("{name} is none of {HOT:?}"),
    }
    Ok(())
}

/// Counts what one `name` takes.
pub(crate) fn count(name: &str) -> anyhow::Result<Count> {
    let ((few, few_blocks), (many, many_blocks)) = (run(name, FEW)?, run(name, MANY)?);
    let times = f64::from(MANY - FEW);
    Ok(Count { instructions: (many - few) / times, allocations: (many_blocks - few_blocks) / times })
}

/// Instructions and allocations of a whole run.
fn run(name: &str, times: u32) -> anyhow::Result<(f64, f64)> {
    let instructions = valgrind(&["--tool=callgrind", "--callgrind-out-file=/dev/null"], name, times)?;
    let allocations = valgrind(&["--tool=memcheck", "--leak-check=no", "--undef-value-errors=no"], name, times)?;
    // "==7== Collected : 12345" and "==7==   total heap usage: 1,234 allocs, 1,230 frees, 56,789 bytes allocated"
    let number = |text: &str, after: &str| -> anyhow::Result<f64> {
        let (_, rest) = text.split_once(after).with_context(|| format!("valgrind does not say `{after}`"))?;
        let digits: String = rest.trim_start().chars().take_while(|c| *c != ' ' && *c != '\n').collect();
        Ok(digits.replace(',', "").parse()?)
    };
    Ok((number(&instructions, "Collected :")?, number(&allocations, "total heap usage:")?))
}

/// What valgrind says of this program.
fn valgrind(tool: &[&str], name: &str, times: u32) -> anyhow::Result<String> {
    let mut command = Command::new(installed("valgrind")?);
    command.args(tool).arg(std::env::current_exe()?).args(["--repeat", name, "--times", &times.to_string()]);
    let output = command.stdin(Stdio::null()).output()?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "valgrind fails: {}", text.lines().last().unwrap_or_default());
    Ok(text)
}

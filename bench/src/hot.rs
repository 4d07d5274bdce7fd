//! Hot functions under valgrind, which counts what noise cannot blur: instructions, and allocations.
//!
//! This program runs itself twice, with work repeated `FEW` and `MANY` times: what the difference took is the work's alone.

use std::hint::black_box;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail, ensure};
use vidpass_token::{Algorithm, MediaPath, UnverifiedToken};

use crate::bars::micro::{Answering, Decision};
use crate::tokens;
use crate::vidpass::installed;

const FEW: u32 = 200;
const MANY: u32 = 1_200;

/// What is counted.
pub(crate) const HOT: [&str; 5] = ["path", "decision", "answer", "connection", "token"];

/// What one repetition takes.
pub(crate) struct Count {
    pub(crate) instructions: f64,
    pub(crate) allocations: f64,
}

/// Does `name` so many times; runs under valgrind.
pub(crate) fn repeat(name: &str, times: u32) -> anyhow::Result<()> {
    // Whose signature it is does not matter to what is done after the check, and RSA keys take minutes to make here.
    let algorithm = Algorithm::EdDsa;
    let token =
        || -> anyhow::Result<_> { Ok(tokens::signing_key(algorithm)?.sign(&tokens::claims(0, tokens::rules()?)?)?) };
    let answering = || Answering::new(algorithm, tokens::rules()?, 1, 0);
    match name {
        "path" => {
            let path = format!("/{}/seg/1080p-00001.m4s", token()?.as_str());
            counted(times, &mut || {
                black_box(MediaPath::parse(black_box(&path))?);
                Ok(())
            })
        }
        "decision" => {
            let decision = Decision::new(algorithm)?;
            counted(times, &mut || decision.make())
        }
        "answer" => {
            let answering = answering()?;
            counted(times, &mut || answering.answer())
        }
        "connection" => {
            let answering = answering()?;
            counted(1, &mut || answering.answer_connection(times))
        }
        "token" => {
            let token = token()?;
            counted(times, &mut || {
                black_box(UnverifiedToken::parse(black_box(token.as_str()))?);
                Ok(())
            })
        }
        _ => bail!("{name} is none of {HOT:?}"),
    }
}

/// Apart, so that valgrind counts instructions in here alone: a key is made of entropy, which takes another time in each run.
#[inline(never)]
fn counted(times: u32, work: &mut dyn FnMut() -> anyhow::Result<()>) -> anyhow::Result<()> {
    (0..times).try_for_each(|_| work())
}

/// Prints what each takes, and fails where it is more than the file says.
pub(crate) fn guard(known: &Path) -> anyhow::Result<()> {
    let known = std::fs::read_to_string(known).with_context(|| format!("{} cannot be read", known.display()))?;
    println!("{:10} {:>14} {:>12}", "", "instructions", "allocations");
    let mut worse = Vec::new();
    for name in HOT {
        let count = count(name)?;
        println!("{name:10} {:14.0} {:12.1}", count.instructions, count.allocations);
        if !count.is_within(name, &known)? {
            worse.push(name);
        }
    }
    ensure!(worse.is_empty(), "more than instructions.txt says: {}", worse.join(", "));
    Ok(())
}

impl Count {
    /// Whether it is at most a tenth above what is known, with no allocation more.
    fn is_within(&self, name: &str, known: &str) -> anyhow::Result<bool> {
        let line = known.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        let (instructions, allocations) =
            line.and_then(|line| line.split_once(' ')).with_context(|| format!("no {name}"))?;
        let (instructions, allocations): (f64, f64) = (instructions.parse()?, allocations.parse()?);
        Ok(self.instructions <= instructions * 1.1 && self.allocations < allocations + 0.5)
    }
}

/// Counts what one `name` takes.
pub(crate) fn count(name: &str) -> anyhow::Result<Count> {
    let ((few, few_blocks), (many, many_blocks)) = (run(name, FEW)?, run(name, MANY)?);
    let times = f64::from(MANY - FEW);
    Ok(Count { instructions: (many - few) / times, allocations: (many_blocks - few_blocks) / times })
}

/// Instructions and allocations of a whole run.
fn run(name: &str, times: u32) -> anyhow::Result<(f64, f64)> {
    let callgrind = ["--tool=callgrind", "--callgrind-out-file=/dev/null", "--toggle-collect=*hot::counted*"];
    let instructions = valgrind(&callgrind, name, times)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenth_is_within() {
        let known = "# text\npath 100 0\nanswer 1000 6\n";
        let check = |name, instructions, allocations, expected| {
            assert_eq!(Count { instructions, allocations }.is_within(name, known).unwrap(), expected, "{name}");
        };
        check("path", 109.0, 0.0, true);
        check("path", 111.0, 0.0, false);
        check("path", 50.0, 1.0, false);
        check("answer", 1000.0, 6.1, true);
        assert!(Count { instructions: 1.0, allocations: 0.0 }.is_within("token", known).is_err());
    }
}

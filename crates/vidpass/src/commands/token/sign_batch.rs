//! `vidpass token sign --batch`

use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal as _};
use std::path::Path;
use std::thread::{self, available_parallelism};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures_util::{StreamExt as _, stream};
use prometheus_client::registry::Registry;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use vidpass_api::{Batching, OfflineRequests, Signer};
use vidpass_token::SigningKey;

use super::super::Outcome;
use crate::clock;
use crate::output::line;

/// How many lines are read ahead for each core, and are in the hands of those who sign.
const AHEAD: usize = 64;

/// How often somebody who watches is told how far it is.
const TOLD_EVERY: Duration = Duration::from_millis(500);

/// A request and where it stands.
type NumberedLine = (u64, io::Result<String>);

/// How far it is.
struct Progress {
    began: Instant,
    told: Instant,
    is_watched: bool,
    signed: u64,
    refused: u64,
    restrict_nobody: u64,
}

/// Signs a token for each line, and prints one line for each, in the same order.
pub(super) async fn run(file: &Path, key: SigningKey, lifetime: Duration, max_rules: usize) -> anyhow::Result<Outcome> {
    let signer = Signer::start(Batching::Auto, &mut Registry::default());
    let requests = OfflineRequests::new(lifetime, max_rules);
    let at_once = AHEAD * available_parallelism().map_or(1, usize::from);
    let (signer, requests, key) = (&signer, &requests, &key);
    let answers = lines(file, at_once)?.map(|line| answer(signer, requests, key, line));
    let mut answers = std::pin::pin!(answers.buffered(at_once));
    let mut progress = Progress::new();
    while let Some(answer) = answers.next().await {
        let Answer { line: text, is_token, restricts_nobody } = answer?;
        line(&text);
        progress.count(is_token, restricts_nobody);
    }
    progress.end();
    Ok(if progress.refused == 0 { Outcome::Done } else { Outcome::Refused })
}

struct Answer {
    line: String,
    is_token: bool,
    restricts_nobody: bool,
}

async fn answer(
    signer: &Signer,
    requests: &OfflineRequests,
    key: &SigningKey,
    (number, line): NumberedLine,
) -> anyhow::Result<Answer> {
    let line = line.with_context(|| format!("line {number} cannot be read"))?;
    let request = match requests.read(line.as_bytes(), clock::now()) {
        Ok(request) => request,
        Err(problems) => return Ok(Answer::refused(number, &json!(problems))),
    };
    let unsigned = match key.prepare(&request.claims) {
        Ok(unsigned) => unsigned,
        Err(problem) => return Ok(Answer::refused(number, &json!([{ "message": problem.to_string() }]))),
    };
    let token = signer.sign_of_many(unsigned).await.with_context(|| format!("line {number}"))?;
    let said = json!({ "line": number, "uid": request.claims.video.as_str(), "token": token.as_str() });
    Ok(Answer { line: said.to_string(), is_token: true, restricts_nobody: request.restricts_nobody })
}

impl Answer {
    fn refused(number: u64, errors: &Value) -> Self {
        let said = json!({ "line": number, "errors": errors });
        Self { line: said.to_string(), is_token: false, restricts_nobody: false }
    }
}

/// The lines of a file, or of standard input for `-`, but blank ones. They are read by a thread of their own: whoever writes a line and waits
/// for its token gets it.
fn lines(file: &Path, ahead: usize) -> anyhow::Result<impl stream::Stream<Item = NumberedLine>> {
    let source: Box<dyn BufRead + Send> = if file == Path::new("-") {
        Box::new(BufReader::new(io::stdin()))
    } else {
        let opened = File::open(file).with_context(|| format!("{} cannot be read", file.display()))?;
        Box::new(BufReader::new(opened))
    };
    let (sender, receiver) = mpsc::channel(ahead);
    thread::spawn(move || {
        for line in (1..).zip(source.lines()) {
            let is_blank = matches!(&line.1, Ok(text) if text.trim().is_empty());
            let is_last = line.1.is_err();
            if !is_blank && sender.blocking_send(line).is_err() || is_last {
                return;
            }
        }
    });
    Ok(stream::unfold(receiver, async |mut receiver| receiver.recv().await.map(|line| (line, receiver))))
}

impl Progress {
    fn new() -> Self {
        let now = Instant::now();
        let is_watched = io::stderr().is_terminal();
        Self { began: now, told: now, is_watched, signed: 0, refused: 0, restrict_nobody: 0 }
    }

    fn count(&mut self, is_token: bool, restricts_nobody: bool) {
        self.signed += u64::from(is_token);
        self.refused += u64::from(!is_token);
        self.restrict_nobody += u64::from(restricts_nobody);
        if self.is_watched && self.told.elapsed() > TOLD_EVERY {
            self.told = Instant::now();
            eprint!("\r{} ", self.text());
        }
    }

    fn end(&self) {
        if self.is_watched {
            eprintln!("\r{} ", self.text());
        }
        if self.refused > 0 {
            eprintln!("vidpass: lines without a token: {}; their `errors` say why", self.refused);
        }
        if self.restrict_nobody > 0 {
            let lines = self.restrict_nobody;
            eprintln!("vidpass: note: lines whose rules restrict nobody: {lines}; end each list with `block any`");
        }
    }

    fn text(&self) -> String {
        let per_second = u128::from(self.signed) * 1000 / self.began.elapsed().as_millis().max(1);
        format!("{} tokens, {per_second} a second", self.signed)
    }
}

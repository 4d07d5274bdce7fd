//! The token endpoint.

use anyhow::Context as _;

use crate::Bench;
use crate::bar::Outcome;
use crate::bars::micro::{self, RawRsa};
use crate::contest::{Better, Candidate, compete};
use crate::http_text;
use crate::load::{Exchange, Load, Until};
use crate::tokens::{TOKEN_REQUEST, VIDEO};
use crate::vidpass::{ACCOUNT, Running, Vidpass};

/// As many callers as wait for each other where one signature is made at a time.
const CALLERS: usize = 8;

/// As many as a batch is for.
pub(crate) const MANY_CALLERS: usize = 32;

/// One token request, which is answered with a token of always the same length.
pub(crate) fn token_request(vidpass: &Vidpass<'_>, server: &Running) -> anyhow::Result<Exchange> {
    let path = format!("/client/v4/accounts/{ACCOUNT}/stream/{VIDEO}/token");
    let bearer = format!("Bearer {}", vidpass.api_token);
    let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
    let request = http_text::request("POST", &path, &headers, TOKEN_REQUEST.as_bytes());
    // The first request makes the account's managed key.
    drop(http_text::exchange(server.listen, request.clone(), 200)?);
    http_text::exchange(server.listen, request, 200)
}

pub(crate) fn against_raw(bench: &Bench) -> anyhow::Result<Outcome> {
    let vidpass = Vidpass::new(bench)?;
    let server = vidpass.serve_with(off(&vidpass))?;
    let request = [token_request(&vidpass, &server)?];
    let mut raw = RawRsa::new(&vidpass.key)?;
    let figures = compete(
        bench.rounds,
        Better::More,
        Candidate::new("vidpass", || bench.rate(server.listen, CALLERS, &request, &[&server.process])),
        vec![Candidate::new("raw RSA sign", || raw.signs_a_second())],
    )?;
    Ok(Outcome::Measured(figures.remark(format!("{CALLERS} connections; answers of {} bytes.", request[0].body))))
}

pub(crate) fn es256(bench: &Bench) -> anyhow::Result<Outcome> {
    let (ecdsa, rsa) = (Vidpass::new(bench)?, Vidpass::new(bench)?);
    ecdsa.command(&["key", "rotate", "--alg", "ES256"]).context("no ES256 key")?;
    let off = off(&rsa);
    let (by_ecdsa, by_rsa) = (ecdsa.serve_with(off)?, rsa.serve_with(off)?);
    let (short, long) = ([token_request(&ecdsa, &by_ecdsa)?], [token_request(&rsa, &by_rsa)?]);
    anyhow::ensure!(short[0].body < long[0].body, "the ES256 key does not sign yet");
    let figures = compete(
        bench.rounds,
        Better::More,
        Candidate::new("ES256", || bench.rate(by_ecdsa.listen, CALLERS, &short, &[&by_ecdsa.process])),
        vec![Candidate::new("RS256", || bench.rate(by_rsa.listen, CALLERS, &long, &[&by_rsa.process]))],
    )?;
    Ok(Outcome::Measured(figures.remark(format!("{CALLERS} connections."))))
}

pub(crate) fn batched(bench: &Bench) -> anyhow::Result<Outcome> {
    if let Some(why) = no_batches(bench)? {
        return Ok(Outcome::Unavailable(why));
    }
    let (batching, single) = (Vidpass::new(bench)?, Vidpass::new(bench)?);
    let (by_batches, by_one) = (batching.serve_with("")?, single.serve_with(OFF)?);
    let (many, one) = ([token_request(&batching, &by_batches)?], [token_request(&single, &by_one)?]);
    let eight = micro::Eight::new(&batching.key)?;
    let figures = compete(
        bench.rounds,
        Better::More,
        Candidate::new("batching on", || bench.rate(by_batches.listen, MANY_CALLERS, &many, &[&by_batches.process])),
        vec![
            Candidate::new("batching off", || bench.rate(by_one.listen, MANY_CALLERS, &one, &[&by_one.process])),
            eight.limit(),
        ],
    )?;
    Ok(Outcome::Measured(figures))
}

pub(crate) fn low_load(bench: &Bench) -> anyhow::Result<Outcome> {
    if let Some(why) = no_batches(bench)? {
        return Ok(Outcome::Unavailable(why));
    }
    let (batching, single) = (Vidpass::new(bench)?, Vidpass::new(bench)?);
    let (by_batches, by_one) = (batching.serve_with("")?, single.serve_with(OFF)?);
    let (on, off) = ([token_request(&batching, &by_batches)?], [token_request(&single, &by_one)?]);
    let latency = |server: &Running, exchanges: &[Exchange]| {
        let load = Load { address: server.listen, connections: 1, exchanges, tls: None };
        load.run(&[&server.process], Until::Answers(200), Until::Elapsed(bench.window))?.median_latency()
    };
    let figures = compete(
        bench.rounds,
        Better::Less,
        Candidate::new("batching on", || latency(&by_batches, &on)),
        vec![Candidate::new("batching off", || latency(&by_one, &off))],
    )?;
    Ok(Outcome::Measured(figures))
}

/// Signs one at a time, whatever the machine could do.
const OFF: &str = "[signing]\nbatch = \"off\"\n";

/// [`OFF`], where this vidpass knows the setting.
fn off(vidpass: &Vidpass<'_>) -> &'static str {
    if vidpass.knows("[signing]") { OFF } else { "" }
}

/// Why nothing is signed in batches here.
fn no_batches(bench: &Bench) -> anyhow::Result<Option<String>> {
    if !std::fs::read_to_string("/proc/cpuinfo")?.contains("avx512ifma") {
        return Ok(Some("the processor has no AVX-512 IFMA".to_owned()));
    }
    let known = Vidpass::new(bench)?.knows("[signing]");
    Ok((!known).then(|| "this vidpass has no setting signing.batch".to_owned()))
}

//! Forward authentication.

use std::path::Path;

use crate::Bench;
use crate::bar::Outcome;
use crate::bars::{CONNECTIONS, micro};
use crate::contest::{Better, Candidate, compete};
use crate::http_text;
use crate::load::{Exchange, Load, Until};
use crate::nginx::{self, Site};
use crate::tokens::{self, VIEWERS, viewer};
use crate::vidpass::{Running, Vidpass};

pub(crate) fn hot(bench: &Bench) -> anyhow::Result<Outcome> {
    let vidpass = Vidpass::new(bench)?;
    let ours = vidpass.serve()?;
    let tokens = tokens::sign(&vidpass.key, VIEWERS)?;
    let questions = ours.questions(&tokens)?;

    let site = Site { template: "nginx-secure-204.conf", root: Path::new("/"), asked: 0, tcp_nopush: false, tls: None };
    let nginx = nginx::start(bench, &site)?;
    let links: anyhow::Result<Vec<Exchange>> = nginx::names(VIEWERS)
        .iter()
        .map(|name| http_text::exchange(nginx.address, http_text::get(&nginx::secure_link(name), &[]), 204))
        .collect();
    let links = links?;

    let figures = compete(
        bench.rounds,
        Better::More,
        Candidate::new("vidpass", || bench.rate(ours.proxies, CONNECTIONS, &questions, &[&ours.process])),
        vec![Candidate::new("nginx secure_link, 204", || {
            bench.rate(nginx.address, CONNECTIONS, &links, &[&nginx.process])
        })],
    )?;
    let length = tokens.first().map_or(0, String::len);
    Ok(Outcome::Measured(figures.remark(format!("Tokens of {length} bytes, {CONNECTIONS} connections."))))
}

/// Tokens that warm a new process up, and those that are counted.
const WARMING: usize = 4_000;
const COUNTED: usize = 20_000;

pub(crate) fn cold(bench: &Bench) -> anyhow::Result<Outcome> {
    let vidpass = Vidpass::new(bench)?;
    let tokens = tokens::sign(&vidpass.key, WARMING + COUNTED + CONNECTIONS)?;
    let raw = micro::RawRsa::new(&vidpass.key)?;
    let idle = vidpass.serve()?;
    let open = idle.open_questions(tokens[0].len())?;

    let figures = compete(
        bench.rounds,
        Better::More,
        Candidate::new("vidpass", || once_each(&vidpass.serve()?, &tokens)),
        vec![Candidate::new("raw verify and HTTP, harmonic", || {
            let answers = bench.rate(idle.proxies, CONNECTIONS, &open, &[&idle.process])?;
            Ok(1.0 / (1.0 / answers + 1.0 / raw.verifies_a_second()?))
        })],
    )?;
    Ok(Outcome::Measured(figures.remark(format!(
        "A new process in each round, and {COUNTED} tokens that it has not seen after {WARMING} others. The HTTP share of the \
         reference is the same listener and the same answer for a video that needs no token, with a request as long."
    ))))
}

/// Asks a new process for each token once.
fn once_each(ours: &Running, tokens: &[String]) -> anyhow::Result<f64> {
    // The first is asked beforehand, to learn what the answer is.
    let questions = ours.questions(tokens)?;
    let load = Load { address: ours.proxies, connections: CONNECTIONS, exchanges: &questions, tls: None };
    load.run(&[&ours.process], Until::Answers(WARMING), Until::Answers(COUNTED))?.per_cpu_second()
}

pub(crate) fn forward_auth(bench: &Bench) -> anyhow::Result<Outcome> {
    let vidpass = Vidpass::new(bench)?;
    let ours = vidpass.serve()?;
    let site = |template, asked| Site { template, root: Path::new("/"), asked, tcp_nopush: false, tls: None };
    let to_us = nginx::start(bench, &site("nginx-ask.conf", ours.proxies.port()))?;
    let bare = nginx::start(bench, &site("nginx-empty.conf", 0))?;
    let to_bare = nginx::start(bench, &site("nginx-ask.conf", bare.address.port()))?;
    let requests = with_tokens(&tokens::sign(&vidpass.key, VIEWERS)?, "seg/1080p-00001.m4s");
    let asked = |address| -> anyhow::Result<Vec<Exchange>> {
        let one = http_text::exchange(address, requests[0].clone(), 200)?;
        Ok(requests.iter().map(|request| Exchange { request: request.clone(), ..one.clone() }).collect())
    };
    let (by_us, by_bare) = (asked(to_us.address)?, asked(to_bare.address)?);

    let figures = compete(
        bench.rounds,
        Better::More,
        Candidate::new("nginx and vidpass", || {
            bench.rate(to_us.address, CONNECTIONS, &by_us, &[&to_us.process, &ours.process])
        }),
        vec![Candidate::new("nginx and a bare 204", || {
            bench.rate(to_bare.address, CONNECTIONS, &by_bare, &[&to_bare.process, &bare.process])
        })],
    )?;
    Ok(Outcome::Measured(figures))
}

pub(crate) fn nginx_segment(bench: &Bench) -> anyhow::Result<Outcome> {
    const SEGMENT: &str = "seg/1080p-00001.m4s";
    let vidpass = Vidpass::new(bench)?;
    vidpass.put(SEGMENT, &vec![7; 1 << 20])?;
    let ours = vidpass.serve()?;
    let media = vidpass.media();
    let root = media.ancestors().nth(2).unwrap_or(&media);
    let asking =
        Site { template: "nginx-ask-files.conf", root, asked: ours.proxies.port(), tcp_nopush: true, tls: None };
    let asking = nginx::start(bench, &asking)?;
    let linked = Site { template: "nginx-secure-files.conf", root, asked: 0, tcp_nopush: true, tls: None };
    let linked = nginx::start(bench, &linked)?;
    let requests = with_tokens(&tokens::sign(&vidpass.key, VIEWERS)?, SEGMENT);
    let one = http_text::exchange(asking.address, requests[0].clone(), 200)?;
    let asked: Vec<Exchange> = requests.into_iter().map(|request| Exchange { request, ..one.clone() }).collect();
    let link = nginx::secure_link(&format!("/bench/bench-video/{SEGMENT}"));
    let link = [http_text::exchange(linked.address, http_text::get(&link, &[]), 200)?];

    let figures = compete(
        bench.rounds,
        Better::More,
        Candidate::new("nginx and vidpass", || {
            bench.rate(asking.address, 8, &asked, &[&asking.process, &ours.process])
        }),
        vec![Candidate::new("nginx secure_link", || bench.rate(linked.address, 8, &link, &[&linked.process]))],
    )?;
    Ok(Outcome::Measured(figures.remark("tcp_nopush on, on both sides; 8 connections.")))
}

/// Viewers' requests for one file.
pub(crate) fn with_tokens(tokens: &[String], file: &str) -> Vec<Vec<u8>> {
    let request = |(number, token): (usize, &String)| {
        http_text::get(&format!("/{token}/{file}"), &[("X-Forwarded-For", &viewer(number))])
    };
    tokens.iter().enumerate().map(request).collect()
}

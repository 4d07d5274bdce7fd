//! Files that the gate sends itself.

use crate::Bench;
use crate::bar::Outcome;
use crate::bars::CONNECTIONS;
use crate::bars::verify::with_tokens;
use crate::contest::{Better, Candidate, compete};
use crate::http_text;
use crate::load::{Exchange, Load};
use crate::nginx::{self, Site};
use crate::process::{at, free_port};
use crate::secure::{self, Certificate};
use crate::tokens::{self, VIEWERS, viewer};
use crate::vidpass::Vidpass;

const SEGMENT: &str = "seg/1080p-00001.m4s";

/// As many connections as the larger answers come over.
const FEW: usize = 8;

pub(crate) fn one_mebibyte(bench: &Bench) -> anyhow::Result<Outcome> {
    segment(bench, 1 << 20)
}

pub(crate) fn six_mebibytes(bench: &Bench) -> anyhow::Result<Outcome> {
    segment(bench, 6 << 20)
}

fn segment(bench: &Bench, length: usize) -> anyhow::Result<Outcome> {
    let vidpass = Vidpass::new(bench)?;
    vidpass.put(SEGMENT, &pattern(length))?;
    let requests = with_tokens(&tokens::sign(&vidpass.key, VIEWERS)?, SEGMENT);
    let plain = http_text::get(&format!("/{SEGMENT}"), &[]);
    against_nginx(bench, &vidpass, &requests, &[plain], 200)
}

pub(crate) fn ranges(bench: &Bench) -> anyhow::Result<Outcome> {
    const FILM_LENGTH: usize = 100_000_000;
    const PART: usize = 64 << 10;
    // Not below `downloads`: that is for keeping, and these viewers watch.
    const WATCHED: &str = "film/1080p.mp4";
    let vidpass = Vidpass::new(bench)?;
    vidpass.put(WATCHED, &pattern(FILM_LENGTH))?;
    let tokens = tokens::sign(&vidpass.key, VIEWERS)?;
    // A player goes on from part to part; each begins at another place.
    let range = |number: usize| {
        let start = number * 7_919 % (FILM_LENGTH / PART) * PART;
        format!("bytes={start}-{}", start + PART - 1)
    };
    let ours: Vec<Vec<u8>> = (0..1024)
        .map(|number| {
            let (token, address) = (&tokens[number % VIEWERS], viewer(number % VIEWERS));
            let headers = [("X-Forwarded-For", address.as_str()), ("Range", &range(number))];
            http_text::get(&format!("/{token}/{WATCHED}"), &headers)
        })
        .collect();
    let theirs: Vec<Vec<u8>> =
        (0..1024).map(|number| http_text::get(&format!("/{WATCHED}"), &[("Range", &range(number))])).collect();
    against_nginx(bench, &vidpass, &ours, &theirs, 206)
}

/// The gate against nginx with the same files and no token, `tcp_nopush` on and off.
fn against_nginx(
    bench: &Bench,
    vidpass: &Vidpass<'_>,
    ours: &[Vec<u8>],
    theirs: &[Vec<u8>],
    status: u16,
) -> anyhow::Result<Outcome> {
    let gate = vidpass.serve()?;
    let media = vidpass.media();
    let site = |tcp_nopush| Site { template: "nginx-files.conf", root: &media, asked: 0, tcp_nopush, tls: None };
    let (corked, flowing) = (nginx::start(bench, &site(true))?, nginx::start(bench, &site(false))?);
    let by_us = alike(gate.listen, ours, status)?;
    let by_nginx = alike(corked.address, theirs, status)?;
    anyhow::ensure!(by_us[0].body == by_nginx[0].body, "the two send different files");

    let nginx = |peer: &crate::peer::Peer| bench.rate(peer.address, FEW, &by_nginx, &[&peer.process]);
    let figures = compete(
        bench.rounds,
        Better::More,
        Candidate::new("vidpass", || bench.rate(gate.listen, FEW, &by_us, &[&gate.process])),
        vec![
            Candidate::new("nginx, tcp_nopush on", || nginx(&corked)),
            Candidate::new("nginx, tcp_nopush off", || nginx(&flowing)),
        ],
    )?;
    let length = by_us[0].body;
    Ok(Outcome::Measured(figures.remark(format!("Bodies of {length} bytes, {FEW} connections, page cache hot."))))
}

pub(crate) fn playlist(bench: &Bench) -> anyhow::Result<Outcome> {
    const PLAYLIST: &str = "manifest/1080p.m3u8";
    let vidpass = Vidpass::new(bench)?;
    vidpass.put(PLAYLIST, media_playlist().as_bytes())?;
    let gate = vidpass.serve()?;
    let media = vidpass.media();
    let site = Site { template: "nginx-secure-files.conf", root: &media, asked: 0, tcp_nopush: false, tls: None };
    let nginx = nginx::start(bench, &site)?;
    let ours = alike(gate.listen, &with_tokens(&tokens::sign(&vidpass.key, VIEWERS)?, PLAYLIST), 200)?;
    let link = nginx::secure_link(&format!("/{PLAYLIST}"));
    let theirs = alike(nginx.address, &[http_text::get(&link, &[])], 200)?;

    let figures = compete(
        bench.rounds,
        Better::More,
        Candidate::new("vidpass", || bench.rate(gate.listen, CONNECTIONS, &ours, &[&gate.process])),
        vec![Candidate::new("nginx secure_link", || {
            bench.rate(nginx.address, CONNECTIONS, &theirs, &[&nginx.process])
        })],
    )?;
    let length = theirs[0].body;
    Ok(Outcome::Measured(figures.remark(format!("A playlist of {length} bytes, {CONNECTIONS} connections."))))
}

pub(crate) fn tls(bench: &Bench) -> anyhow::Result<Outcome> {
    let vidpass = Vidpass::new(bench)?;
    vidpass.put(SEGMENT, &pattern(1 << 20))?;
    let (media, folder) = (vidpass.media(), tempfile::tempdir()?);
    let tls = Certificate::make(folder.path())?;
    let https = at(free_port());
    let (certificate, key) = (tls.certificate.display(), tls.key.display());
    let gate = vidpass.serve_with(&format!(
        "[tls]\nlisten = \"{https}\"\ncertificate_file = \"{certificate}\"\nkey_file = \"{key}\""
    ))?;
    let site = Site { template: "nginx-https-files.conf", root: &media, asked: 0, tcp_nopush: false, tls: Some(&tls) };
    let nginx = nginx::start(bench, &site)?;
    let exchanges = |address, requests: &[Vec<u8>]| -> anyhow::Result<Vec<Exchange>> {
        let one = secure::exchange(&tls.clients, address, requests[0].clone(), 200)?;
        Ok(all_like(&one, requests))
    };
    let ours = exchanges(https, &with_tokens(&tokens::sign(&vidpass.key, VIEWERS)?, SEGMENT))?;
    let theirs = exchanges(nginx.address, &[http_text::get(&format!("/{SEGMENT}"), &[])])?;
    anyhow::ensure!(ours[0].body == theirs[0].body, "the two send different files");

    let rate = |address, exchanges, server| {
        let load = Load { address, connections: FEW, exchanges, tls: Some(&tls.clients) };
        bench.sample(&load, &[server])?.per_cpu_second()
    };
    let figures = compete(
        bench.rounds,
        Better::More,
        Candidate::new("vidpass", || rate(https, &ours, &gate.process)),
        vec![Candidate::new("nginx", || rate(nginx.address, &theirs, &nginx.process))],
    )?;
    let length = ours[0].body;
    let remark = format!("TLS 1.3, AES-256-GCM, bodies of {length} bytes, {FEW} connections, page cache hot.");
    Ok(Outcome::Measured(figures.remark(remark)))
}

/// Requests that are answered as the first of them is now.
fn alike(address: std::net::SocketAddr, requests: &[Vec<u8>], status: u16) -> anyhow::Result<Vec<Exchange>> {
    let one = http_text::exchange(address, requests[0].clone(), status)?;
    Ok(all_like(&one, requests))
}

fn all_like(one: &Exchange, requests: &[Vec<u8>]) -> Vec<Exchange> {
    requests.iter().map(|request| Exchange { request: request.clone(), ..one.clone() }).collect()
}

/// Bytes that are not all the same.
fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|place| u8::try_from(place * 31 % 251).unwrap_or_default()).collect()
}

/// A VOD media playlist of about 4 KB.
fn media_playlist() -> String {
    let head =
        "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:6\n#EXT-X-PLAYLIST-TYPE:VOD\n#EXT-X-MAP:URI=\"init.mp4\"\n";
    let segments: String = (0..110).map(|number| format!("#EXTINF:6.000,\n../seg/1080p-{number:05}.m4s\n")).collect();
    format!("{head}{segments}#EXT-X-ENDLIST\n")
}

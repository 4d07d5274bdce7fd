//! Others who check or sign such tokens.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Context as _, ensure};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::json;
use vidpass_token::SigningKey;

use crate::Bench;
use crate::bar::Outcome;
use crate::bars::CONNECTIONS;
use crate::bars::issue::{MANY_CALLERS, token_request};
use crate::bars::micro::Eight;
use crate::contest::{Better, Candidate, Figures, compete};
use crate::floor::Floor;
use crate::http_text;
use crate::load::Exchange;
use crate::peer::{Peer, Setup};
use crate::process::server_command;
use crate::tokens::{self, KEY, TOKEN_REQUEST, VIEWERS};
use crate::vidpass::{Vidpass, installed};

/// A peer that runs, and what it is asked; or why it does not.
type Started = (&'static str, anyhow::Result<(Peer, Vec<Exchange>)>);

pub(crate) fn verify(bench: &Bench) -> anyhow::Result<Outcome> {
    let vidpass = Vidpass::new(bench)?;
    let ours = vidpass.serve()?;
    let tokens = tokens::sign(&vidpass.key, VIEWERS)?;
    let questions = ours.questions(&tokens)?;
    let as_bearer = |peer| asked(peer, &tokens, |token| bearing(token), 204);
    let peers: [Started; 4] = [
        ("Envoy jwt_authn", envoy(bench, &vidpass.key).and_then(as_bearer)),
        ("HAProxy jwt_verify", haproxy(bench, &vidpass.key).and_then(as_bearer)),
        ("njs", njs(bench, &vidpass.key).and_then(as_bearer)),
        ("ATS uri_signing", ats(bench, &vidpass.key)),
    ];
    let floor = Floor::start(bench)?;
    let bare = Exchange { status: 204, body: 0, ..questions[0].clone() };
    let limit = Candidate::limit("a 204 without a look at the question", || {
        bench.rate(floor.address, CONNECTIONS, std::slice::from_ref(&bare), &[&floor.process])
    });
    let ours = Candidate::new("vidpass", || bench.rate(ours.proxies, CONNECTIONS, &questions, &[&ours.process]));
    against_peers(bench, ours, CONNECTIONS, &peers, Some(limit))
}

/// What a peer is asked with each of the tokens, once it is sure that it refuses a forged one: a peer that let everybody in
/// would be fast.
fn asked(
    peer: Peer,
    tokens: &[String],
    request: impl Fn(&String) -> Vec<u8>,
    status: u16,
) -> anyhow::Result<(Peer, Vec<Exchange>)> {
    let first = tokens.first().context("no tokens")?;
    let forged = http_text::ask(peer.address, &request(&forged(first)))?;
    ensure!([401, 403].contains(&forged.status), "a forged token gets {}", forged.status);
    let one = http_text::exchange(peer.address, request(first), status)?;
    let exchanges = tokens.iter().map(|token| Exchange { request: request(token), ..one.clone() }).collect();
    Ok((peer, exchanges))
}

pub(crate) fn issue(bench: &Bench) -> anyhow::Result<Outcome> {
    let vidpass = Vidpass::new(bench)?;
    let ours = vidpass.serve()?;
    let request = [token_request(&vidpass, &ours)?];
    let asked = |peer: Peer| {
        let request =
            http_text::request("POST", "/", &[("Content-Type", "application/json")], TOKEN_REQUEST.as_bytes());
        let exchange = http_text::exchange(peer.address, request, 200)?;
        Ok((peer, vec![exchange]))
    };
    let peers: [Started; 3] = [
        ("Node http, jose", node(bench, &vidpass.key).and_then(asked)),
        ("Go net/http, golang-jwt", go(bench, &vidpass.key).and_then(asked)),
        ("uvicorn, PyJWT", python(bench, &vidpass.key).and_then(asked)),
    ];
    // Where nothing can be signed together, one by one is what it is.
    let eight = Eight::new(&vidpass.key).ok();
    let limit = eight.as_ref().map(Eight::limit);
    let ours = Candidate::new("vidpass", || bench.rate(ours.listen, MANY_CALLERS, &request, &[&ours.process]));
    against_peers(bench, ours, MANY_CALLERS, &peers, limit)
}

/// Against the best of those that run; those that do not are named.
fn against_peers<'a>(
    bench: &'a Bench,
    ours: Candidate<'a>,
    connections: usize,
    peers: &'a [Started],
    limit: Option<Candidate<'a>>,
) -> anyhow::Result<Outcome> {
    let running = peers.iter().filter_map(|(name, started)| Some((name, started.as_ref().ok()?)));
    let candidates: Vec<Candidate<'_>> = running
        .map(|(name, (peer, exchanges))| {
            Candidate::new(*name, move || bench.rate(peer.address, connections, exchanges, &[&peer.process]))
        })
        .collect();
    let missing: Vec<String> = peers
        .iter()
        .filter_map(|(name, started)| Some(format!("{name} was not measured: {:#}.", started.as_ref().err()?)))
        .collect();
    if candidates.is_empty() {
        return Ok(Outcome::Unavailable(missing.join(" ")));
    }
    let figures = compete(bench.rounds, Better::More, ours, candidates.into_iter().chain(limit).collect())?;
    Ok(Outcome::Measured(missing.into_iter().fold(figures, Figures::remark)))
}

fn envoy(bench: &Bench, key: &SigningKey) -> anyhow::Result<Peer> {
    let program = bench.build.join("venv/bin/envoy");
    ensure!(program.exists(), "bench/setup did not install it");
    let setup = Setup::new(bench)?;
    let keys = json!({ "keys": [key.public().to_jwk(key.id())] }).to_string();
    let config = setup.fill("envoy.yaml", &[("JWKS", &keys)])?;
    let mut command = server_command(program);
    command.args(["--concurrency", "1", "--disable-hot-restart", "--log-level", "warn", "-c"]).arg(config);
    setup.start("envoy", &mut command)
}

fn haproxy(bench: &Bench, key: &SigningKey) -> anyhow::Result<Peer> {
    let setup = Setup::new(bench)?;
    setup.write("key.pem", &key.public().to_pem())?;
    let config = setup.fill("haproxy.cfg", &[])?;
    let mut command = server_command(installed("haproxy")?);
    command.arg("-db").arg("-f").arg(config);
    setup.start("haproxy", &mut command)
}

fn njs(bench: &Bench, key: &SigningKey) -> anyhow::Result<Peer> {
    let module = Path::new("/usr/lib/nginx/modules/ngx_http_js_module.so");
    ensure!(module.exists(), "bench/setup did not install it");
    let setup = Setup::new(bench)?;
    setup.fill("njs.js", &[("KEY", &STANDARD.encode(key.public().spki_der()))])?;
    let config = setup.fill("njs.conf", &[])?;
    let mut command = server_command(installed("nginx")?);
    command.arg("-p").arg(setup.folder()).arg("-e").arg("stderr").arg("-c").arg(config);
    setup.start("njs", &mut command)
}

/// Apache Traffic Server, which wants claims of RFC 9246 and so gets tokens of its own, by the same key and as many.
fn ats(bench: &Bench, key: &SigningKey) -> anyhow::Result<(Peer, Vec<Exchange>)> {
    let setup = Setup::new(bench)?;
    // It drops root's rights and reads its configuration after that.
    std::fs::set_permissions(setup.folder(), Permissions::from_mode(0o777))?;
    for file in ["runroot.yaml", "records.config", "remap.config", "ip_allow.yaml"] {
        setup.fill(&format!("ats/{file}"), &[])?;
    }
    for empty in ["plugin.config", "storage.config", "volume.config", "hosting.config", "cache.config", "parent.config"]
    {
        setup.write(empty, "")?;
    }
    setup.write("answer.txt", "yes\n")?;
    let keys = json!({ "bench": { "renewal_kid": KEY, "keys": [key.public().to_jwk(key.id())] } });
    setup.write("uri_signing.json", &keys.to_string())?;
    let mut command = server_command(installed("traffic_server")?);
    command.arg(format!("--run-root={}", setup.folder().join("runroot.yaml").display()));
    let peer = setup.start("ats", &mut command)?;
    let tokens: anyhow::Result<Vec<String>> = (0..VIEWERS).map(|number| uri_token(key, number)).collect();
    let request = |token: &String| http_text::get(&format!("/seg/1080p-00001.m4s?URISigningPackage={token}"), &[]);
    asked(peer, &tokens?, request, 200)
}

/// A token as `uri_signing` reads it.
fn uri_token(key: &SigningKey, number: usize) -> anyhow::Result<String> {
    let header = json!({ "alg": "RS256", "kid": KEY });
    // It refuses a `jti`, so the time tells them apart.
    let expires = tokens::now().0 + 6 * 3600 + i64::try_from(number)?;
    let everything = "regex:http://video.example.com/.*";
    let claims = json!({ "iss": "bench", "cdniuc": everything, "exp": expires });
    let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
    let signed = format!("{header}.{claims}");
    let private = RsaKeyPair::from_pkcs8(&key.to_pkcs8())?;
    let mut signature = vec![0; private.public_modulus_len()];
    private.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)?;
    Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

fn node(bench: &Bench, key: &SigningKey) -> anyhow::Result<Peer> {
    let modules = bench.build.join("node/node_modules");
    ensure!(modules.exists(), "bench/setup did not install it");
    let setup = Setup::new(bench)?;
    let program = setup.fill("node/issue.mjs", &[])?;
    std::os::unix::fs::symlink(modules, setup.folder().join("node_modules"))?;
    let mut command = server_command(installed("node")?);
    command.arg(program).arg(setup.port.to_string()).arg(private_key(&setup, key)?).arg(KEY);
    setup.start("node", &mut command)
}

fn go(bench: &Bench, key: &SigningKey) -> anyhow::Result<Peer> {
    let program = bench.build.join("issue-go");
    ensure!(program.exists(), "bench/setup did not build it");
    let setup = Setup::new(bench)?;
    let mut command = server_command(program);
    command.arg(setup.port.to_string()).arg(private_key(&setup, key)?).arg(KEY);
    setup.start("go", &mut command)
}

fn python(bench: &Bench, key: &SigningKey) -> anyhow::Result<Peer> {
    let program = bench.build.join("venv/bin/uvicorn");
    ensure!(program.exists(), "bench/setup did not install it");
    let setup = Setup::new(bench)?;
    setup.fill("python/issue.py", &[])?;
    let mut command = server_command(program);
    command.args(["issue:app", "--no-access-log", "--log-level", "warning", "--port", &setup.port.to_string()]);
    command.env("KEY", private_key(&setup, key)?).env("KID", KEY).current_dir(setup.folder());
    setup.start("python", &mut command)
}

/// The same key for all, in a folder that goes with the peer.
fn private_key(setup: &Setup<'_>, key: &SigningKey) -> anyhow::Result<std::path::PathBuf> {
    setup.write("private.pem", &key.to_pem())
}

/// A request with its token where all of these look for it.
fn bearing(token: &str) -> Vec<u8> {
    http_text::get("/seg/1080p-00001.m4s", &[("Authorization", &format!("Bearer {token}"))])
}

/// The same token with another signature.
fn forged(token: &str) -> String {
    let (signed, signature) = token.rsplit_once('.').unwrap_or_default();
    let turned: String = signature.chars().rev().collect();
    format!("{signed}.{turned}")
}

//! `vidpass token inspect`

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use clap::Args;
use serde_json::{Value, json};
use vidpass_token::{UnixTime, UnverifiedToken};

use super::super::Outcome;
use super::super::key_file;
use super::typed;
use crate::output::{line, visible};
use crate::{clock, span};

/// Show everything in a token
#[derive(Args, Debug)]
#[command(after_help = "\
Without --key nothing in the token is proven: anybody can write one. What is shown is marked UNVERIFIED.
Exit codes: 0 well-formed (and, with --key, well signed), 1 not.")]
pub(crate) struct Inspect {
    /// The token, or - to read it from standard input
    token: String,
    /// File with the key to check the signature with: PEM or JWK, public or private
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Print JSON, for machines
    #[arg(long)]
    json: bool,
}

impl Inspect {
    pub(super) fn run(self) -> anyhow::Result<Outcome> {
        let token = typed(&self.token)?;
        let key = self.key.as_deref().map(key_file::public_key).transpose()?;
        let parsed = UnverifiedToken::parse(&token);
        let fingerprint = parsed.as_ref().ok().map(|token| token.fingerprint().to_string());
        let problem = match (parsed, &key) {
            (Err(problem), _) => Some(problem.to_string()),
            (Ok(token), Some(key)) => token.verify(key).err().map(|problem| problem.to_string()),
            (Ok(_), None) => None,
        };
        let answer = json!({
            "verified": key.is_some() && problem.is_none(),
            "problem": problem,
            "fingerprint": fingerprint,
            "header": part(&token, 0),
            "payload": part(&token, 1),
        });
        if self.json {
            line(&format!("{answer:#}"));
        } else {
            print_for_people(&answer, key.is_some());
        }
        Ok(if problem.is_none() { Outcome::Done } else { Outcome::Refused })
    }
}

/// A part of a token, as far as it can be read at all. This is for the eye; nothing is decided with it.
fn part(token: &str, index: usize) -> Value {
    let bytes = token.split('.').nth(index).and_then(|part| BASE64URL.decode(part).ok());
    bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or(Value::Null)
}

fn print_for_people(answer: &Value, with_key: bool) {
    match (&answer["problem"], with_key) {
        (Value::String(problem), _) => line(&format!("NOT VALID: {}", visible(problem))),
        (_, true) => line("VERIFIED: the signature is good"),
        (_, false) => line("UNVERIFIED: nobody has checked the signature (give --key)"),
    }
    if let Some(fingerprint) = answer["fingerprint"].as_str() {
        line(&format!("fingerprint {fingerprint}"));
    }
    for (title, part) in [("header", &answer["header"]), ("payload", &answer["payload"])] {
        let Value::Object(members) = part else {
            line(&format!("\n{title}\n  (cannot be read)"));
            continue;
        };
        line(&format!("\n{title}"));
        for (name, value) in members {
            line(&format!("  {:12} {}{}", visible(name), visible(&value.to_string()), remark(name, value)));
        }
    }
}

/// What a person wants to know about a time: the date, and how far away it is.
fn remark(name: &str, value: &Value) -> String {
    let seconds = value.as_i64().or_else(|| value.as_str().and_then(|text| text.parse().ok()));
    match seconds.filter(|_| ["exp", "nbf", "iat"].contains(&name)) {
        None => String::new(),
        Some(seconds) => {
            let away = clock::now().seconds_until(UnixTime(seconds));
            let span = jiff::SignedDuration::from_secs(away.saturating_abs());
            let when = if away < 0 { format!("{span:#} ago") } else { format!("in {span:#}") };
            format!("  ({}, {when})", span::date(UnixTime(seconds)))
        }
    }
}

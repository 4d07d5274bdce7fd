//! `vidpass token sign`

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use serde_json::{Value, json};
use vidpass_token::json::Json;
use vidpass_token::{
    AccessRule, Claims, KeyId, Limits, TokenId, VideoId, ViewerId, ViewerVersion, parse_rules, restricts_nobody,
};

use super::super::Outcome;
use super::super::key_file;
use super::sign_batch;
use crate::clock;
use crate::output::line;
use crate::span::{self, Moment};

/// How many rules a token may have at all. A server accepts fewer, unless it is set to more.
const MAX_RULES: usize = 100;

/// Sign a token with a private key, without any server
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  vidpass token sign --key key.pem --kid K --video V --exp 2h
  vidpass token sign --key key.jwk --video V --exp 2030-01-31T12:00:00Z --downloadable
  vidpass token sign --key key.jwk --video V --rule 'allow country SE,NO' --rule 'allow ip 192.0.2.0/24' --rule 'block any'
  vidpass token sign --key key.jwk --batch requests.jsonl --exp 2h >tokens.jsonl

Rules are tried in the order given and the first that matches decides. Where none matches the viewer is let in, so a
list of what is allowed ends with `block any`.")]
pub(crate) struct Sign {
    /// File with the private key: PEM or JWK, as it is or in base64
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The key's id; a JWK has its own
    #[arg(long)]
    kid: Option<KeyId>,
    /// The video that the token opens
    #[arg(long, value_name = "UID", required_unless_present = "batch")]
    video: Option<VideoId>,
    /// Sign a token for each line of a file (- is standard input): JSON such as {"uid": "V", "exp": 1900000000}, with the members
    /// of a request for a token to the API; prints a line of JSON for each, in the same order
    #[arg(long, value_name = "FILE", conflicts_with_all = ["video", "nbf", "viewer", "viewer_version", "downloadable", "rules", "access_rules", "json"])]
    batch: Option<PathBuf>,
    /// When it is over: a time from now (2h), a date (RFC 3339), or Unix seconds
    #[arg(long, value_name = "TIME", default_value = "1h", allow_hyphen_values = true)]
    exp: Moment,
    /// From when it is valid, written in the same ways
    #[arg(long, value_name = "TIME", default_value = "-1h", allow_hyphen_values = true)]
    nbf: Moment,
    /// Who it is for, by a name of yours: their tokens can be taken back together
    #[arg(long, value_name = "ID")]
    viewer: Option<ViewerId>,
    /// Which of the viewer's tokens it is: those up to one can be taken back together
    #[arg(long, value_name = "NUMBER", requires = "viewer")]
    viewer_version: Option<u32>,
    /// Let it open downloads too
    #[arg(long)]
    downloadable: bool,
    /// Access rule: `allow` or `block`, then `any`, `ip LIST` or `country LIST`; may be repeated
    #[arg(long = "rule", value_name = "RULE", conflicts_with = "access_rules")]
    rules: Vec<String>,
    /// All access rules, as the API takes them: JSON, or @FILE
    #[arg(long, value_name = "JSON")]
    access_rules: Option<String>,
    /// Print JSON, for machines
    #[arg(long)]
    json: bool,
}

impl Sign {
    pub(super) async fn run(self) -> anyhow::Result<Outcome> {
        let now = clock::now();
        let key = key_file::signing_key(&self.key, self.kid.clone())?;
        let video = match (&self.batch, &self.video) {
            (Some(file), _) => {
                let lifetime = u64::try_from(now.seconds_until(self.exp.resolve(now))).unwrap_or_default();
                ensure!(lifetime > 0, "--exp must be later than now");
                return sign_batch::run(file, key, Duration::from_secs(lifetime), MAX_RULES).await;
            }
            (None, Some(video)) => video.clone(),
            (None, None) => bail!("--video or --batch must be given"),
        };
        let (expires, not_before) = (self.exp.resolve(now), self.nbf.resolve(now));
        ensure!(
            expires > not_before,
            "--exp ({}) must be later than --nbf ({})",
            span::date(expires),
            span::date(not_before)
        );
        let access_rules = self.rules()?;
        if restricts_nobody(&access_rules) {
            eprintln!("vidpass: note: these rules restrict nobody; end the list with `block any`");
        }
        let usual = Limits::default().max_access_rules;
        if access_rules.len() > usual {
            eprintln!("vidpass: note: servers accept {usual} rules, unless `tokens.max_access_rules` says more");
        }
        let claims = Claims {
            not_before: Some(not_before),
            issued_at: Some(now),
            token_id: Some(TokenId::random()),
            viewer: self.viewer,
            viewer_version: self.viewer_version.map(ViewerVersion),
            downloadable: self.downloadable,
            access_rules,
            ..Claims::new(video, expires)
        };
        let token = key.sign(&claims)?;
        if self.json {
            line(&format!("{:#}", json!({ "token": token.as_str(), "exp": expires.0, "nbf": not_before.0 })));
        } else {
            line(token.as_str());
        }
        Ok(Outcome::Done)
    }

    fn rules(&self) -> anyhow::Result<Vec<AccessRule>> {
        let json = match &self.access_rules {
            Some(text) => match text.strip_prefix('@') {
                Some(file) => std::fs::read_to_string(file).with_context(|| format!("{file} cannot be read"))?,
                None => text.clone(),
            },
            None => Value::from(self.rules.iter().map(|rule| typed_rule(rule)).collect::<anyhow::Result<Vec<_>>>()?)
                .to_string(),
        };
        let json = Json::parse(json.as_bytes()).context("--access-rules is not JSON")?;
        parse_rules(&json, MAX_RULES).map_err(|problems| {
            let lines: Vec<String> = problems.iter().map(|problem| format!("  {problem}")).collect();
            anyhow::anyhow!("the access rules have {} problem(s):\n{}", lines.len(), lines.join("\n"))
        })
    }
}

/// `block country US,MX` as the API takes it.
fn typed_rule(text: &str) -> anyhow::Result<Value> {
    let words: Vec<&str> = text.split_whitespace().collect();
    match words[..] {
        [action, "any"] => Ok(json!({ "type": "any", "action": action })),
        [action, "ip", list] => {
            Ok(json!({ "type": "ip.src", "action": action, "ip": list.split(',').collect::<Vec<_>>() }))
        }
        [action, "country", list] => {
            Ok(json!({ "type": "ip.geoip.country", "action": action, "country": list.split(',').collect::<Vec<_>>() }))
        }
        _ => {
            anyhow::bail!("`{text}` is not a rule; write `block any`, `allow ip 192.0.2.0/24` or `allow country SE,NO`")
        }
    }
}

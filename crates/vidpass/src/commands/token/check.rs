//! `vidpass token check`

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use serde_json::{Value, json};
use vidpass_gate::CountrySource;
use vidpass_store::Snapshot;
use vidpass_token::{
    AccountId, AccountPolicy, Country, CountryCode, Explanation, Finding, Inspection, KeyId, KnownKey, Limits,
    Outcome as Asked, PublicKey, Rehearsal, RequestOrigin, RevocationMark, Standing, Taken, Terms, TokenMarks,
    UnixTime, VideoId, VideoPolicy, Viewer,
};

use super::super::key_file;
use super::super::{Outcome, store};
use super::typed;
use crate::cli::Common;
use crate::config::Config;
use crate::output::{line, visible};
use crate::span::{self, Moment};
use crate::{clock, config};

/// Say whether a viewer with this token would be let in, and if not, why
#[derive(Args, Debug)]
#[command(after_help = "\
With --key the token alone is judged, and the video is taken to be the account's, embeddable anywhere and offered for
download. Without it the server's own keys, videos and settings decide, as they would for a real viewer.

Examples:
  vidpass token check TOKEN --ip 203.0.113.9
  vidpass token check TOKEN --key key.pem --ip 203.0.113.9 --country SE --path downloads/default.mp4 --at 30m

Exit codes: 0 let in, 1 refused, 2 it could not be found out.")]
pub(crate) struct Check {
    /// The token, or - to read it from standard input
    token: String,
    /// The viewer's address
    #[arg(long)]
    ip: IpAddr,
    /// The viewer's country, or `none` for an unknown one [default: what the country database says of --ip]
    #[arg(long, value_name = "CODE", value_parser = country)]
    country: Option<Country>,
    /// The site that the player is on, such as `https://example.com`
    #[arg(long, value_name = "ORIGIN")]
    origin: Option<RequestOrigin>,
    /// The file that is asked for
    #[arg(long, default_value = "manifest/video.m3u8")]
    path: String,
    /// The method of the request
    #[arg(long, default_value = "GET")]
    method: String,
    /// When: a time from now (2h), a date (RFC 3339), or Unix seconds [default: now]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    at: Option<Moment>,
    /// File with the key to check the signature with: PEM or JWK, public or private
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    #[command(flatten)]
    common: Common,
}

/// What decides: the server's own keys, videos and settings, or one key alone.
struct World {
    keys: Vec<(KeyId, AccountId, PublicKey)>,
    videos: Vec<(VideoId, VideoPolicy)>,
    accounts: Vec<(AccountId, Option<AccountPolicy>)>,
    revocations: HashMap<RevocationMark, Box<[Taken]>>,
    limits: Limits,
    countries: CountrySource,
}

impl Check {
    pub(super) async fn run(self) -> anyhow::Result<Outcome> {
        let token = typed(&self.token)?;
        let world = match &self.key {
            Some(file) => World::of_key(&token, key_file::public_key(file)?),
            None => self.server_world().await?,
        };
        let country = self.country.unwrap_or_else(|| world.countries.country(self.ip.to_canonical()));
        let viewer = Viewer::new(self.ip, country, self.origin.clone());
        let now = clock::now();
        let now = self.at.map_or(now, |moment| moment.resolve(now));
        let rehearsal = Rehearsal { method: &self.method, path: &self.path, viewer: &viewer };
        let explanation = world.explain(&token, &rehearsal, now);
        let answer = self.answer(&explanation, &viewer, now);
        if self.common.json {
            line(&format!("{answer:#}"));
        } else {
            print_for_people(&answer, &explanation);
        }
        Ok(if explanation.code().is_none() { Outcome::Done } else { Outcome::Refused })
    }

    async fn server_world(&self) -> anyhow::Result<World> {
        let config: Config = config::read(&self.common.place.clone().into())
            .context("without --key the server's configuration decides")?;
        let store = store::open_for(&config).await.context("without --key the server's database decides")?;
        let Snapshot { keys, videos, accounts, revocations, .. } = store.snapshot().await?;
        Ok(World {
            keys,
            videos,
            accounts,
            revocations: revocations.into_iter().collect(),
            limits: config.gate().limits,
            countries: config.country_source()?,
        })
    }

    fn answer(&self, explanation: &Explanation, viewer: &Viewer, now: UnixTime) -> Value {
        let country = match viewer.country() {
            Country::Known(code) => code.to_string(),
            Country::Unknown => "unknown".to_owned(),
            Country::Unavailable => "no country database".to_owned(),
        };
        json!({
            "admitted": explanation.code().is_none(),
            "code": explanation.code(),
            "reason": explanation.failure().map(ToString::to_string),
            "verified": explanation.claims.is_some(),
            "rule": explanation.rule.as_ref().map(|matched| matched.index),
            "ip": viewer.address().to_string(),
            "country": country,
            "path": self.path,
            "at": span::date(now),
            "valid_from": explanation.valid_from.map(span::date),
            "valid_until": explanation.claims.as_ref().map(|claims| span::date(claims.expires())),
            "checks": explanation.findings.iter().map(check).collect::<Vec<_>>(),
            "hints": explanation.hints,
        })
    }
}

impl World {
    /// One key, under whichever id the token names, and the token's video.
    fn of_key(token: &str, public: PublicKey) -> Self {
        let account = AccountId::random();
        let inspection = Inspection::of(token);
        let keys = inspection.key_id().map(|id| (id.clone(), account.clone(), public.clone()));
        let inspected = inspection.with_key(Some(KnownKey { account: &account, public: &public }));
        let policy = VideoPolicy { downloads: true, ..VideoPolicy::private(account.clone()) };
        Self {
            keys: keys.into_iter().collect(),
            videos: inspected.video().map(|uid| (uid.clone(), policy)).into_iter().collect(),
            accounts: Vec::new(),
            revocations: HashMap::new(),
            limits: Limits::default(),
            countries: CountrySource::embedded(),
        }
    }

    fn explain(&self, token: &str, rehearsal: &Rehearsal<'_>, now: UnixTime) -> Explanation {
        let inspection = Inspection::of(token);
        let key = inspection.key_id().and_then(|named| self.keys.iter().find(|(id, ..)| id == named));
        let inspected = inspection.with_key(key.map(|(_, account, public)| KnownKey { account, public }));
        let video = inspected.video().and_then(|named| self.videos.iter().find(|(uid, _)| uid == named));
        let video = video.map(|(_, policy)| policy);
        let owner = video.and_then(|video| self.accounts.iter().find(|(id, _)| *id == video.account));
        let unsaid = AccountPolicy::default();
        // As for a gate, there is no video where nobody can tell what its owner says.
        let (video, account) = match owner {
            None => (video, &unsaid),
            Some((_, Some(said))) => (video, said),
            Some((_, None)) => (None, &unsaid),
        };
        let standing = key.zip(inspected.claims()).map_or(Standing::Unknown, |((_, account, _), claims)| {
            TokenMarks::of(account, claims)
                .standing(claims, now, |mark| self.revocations.get(&mark).map_or(&[], |taken| taken))
        });
        let terms = Terms { video, account, limits: &self.limits };
        inspected.explain(&terms, standing, Some(rehearsal), now)
    }
}

fn check(finding: &Finding) -> Value {
    let (outcome, detail) = told(finding);
    json!({ "name": finding.check.name(), "outcome": outcome, "detail": detail })
}

fn told(finding: &Finding) -> (&'static str, Option<String>) {
    match &finding.outcome {
        Asked::Passed => ("passed", None),
        Asked::Failed(failure) => ("failed", Some(failure.to_string())),
        Asked::Skipped(because) => ("skipped", Some((*because).to_owned())),
    }
}

fn print_for_people(answer: &Value, explanation: &Explanation) {
    match explanation.failure() {
        Some(failure) => line(&format!("REFUSED {}: {}", failure.code(), visible(&failure.to_string()))),
        None => line("ADMITTED"),
    }
    for name in ["ip", "country", "path", "at", "valid_from", "valid_until"] {
        if let Some(text) = answer[name].as_str() {
            line(&format!("  {name:12} {}", visible(text)));
        }
    }
    if let Some(matched) = &explanation.rule {
        line(&format!("  {:12} {} of the token (the first is 0): {}", "rule", matched.index, matched.rule));
    }
    line("");
    for finding in &explanation.findings {
        let (outcome, detail) = told(finding);
        let detail = detail.map(|detail| format!("  {}", visible(&detail))).unwrap_or_default();
        line(format!("  {:16} {outcome:7}{detail}", finding.check.name()).trim_end());
    }
    for hint in &explanation.hints {
        line(&format!("\n{}", visible(hint)));
    }
}

fn country(text: &str) -> Result<Country, vidpass_token::CountryError> {
    if text == "none" { Ok(Country::Unknown) } else { text.parse::<CountryCode>().map(Country::Known) }
}

//! `vidpass token check`

use std::net::IpAddr;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use prometheus_client::registry::Registry;
use serde_json::{Value, json};
use vidpass_gate::{Catalogue, CountrySource, Gate, GateConfig, MediaAsk};
use vidpass_token::{
    AccountId, Country, CountryCode, Denial, MediaPath, RequestOrigin, UnverifiedToken, VideoPolicy, Viewer,
};

use super::super::{Outcome, store};
use super::{key_file, typed};
use crate::cli::Common;
use crate::config::Config;
use crate::output::{line, visible};
use crate::span::{self, Moment};
use crate::{clock, config, follow};

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
    /// When: a time from now (2h), a date (RFC 3339), or Unix seconds [default: now]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    at: Option<Moment>,
    /// File with the key to check the signature with: PEM or JWK, public or private
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    #[command(flatten)]
    common: Common,
}

impl Check {
    pub(super) async fn run(self) -> anyhow::Result<Outcome> {
        let token = typed(&self.token)?;
        let (gate, countries) = match &self.key {
            Some(file) => (gate_with(&token, file)?, CountrySource::embedded()),
            None => self.server_gate().await?,
        };
        let target = format!("/{token}/{}", self.path.strip_prefix('/').unwrap_or(&self.path));
        let country = self.country.unwrap_or_else(|| countries.country(self.ip.to_canonical()));
        let viewer = Viewer::new(self.ip, country, self.origin.clone());
        let now = clock::now();
        let now = self.at.map_or(now, |moment| moment.resolve(now));
        let decision = MediaPath::parse(&target)
            .map_err(Denial::from)
            .and_then(|path| gate.decide(&MediaAsk { path: &path, viewer: &viewer, now }));
        let denial = decision.err();
        self.print(denial.as_ref(), &viewer, &span::date(now));
        Ok(if denial.is_none() { Outcome::Done } else { Outcome::Refused })
    }

    /// A gate that knows what the server's would.
    async fn server_gate(&self) -> anyhow::Result<(Gate, CountrySource)> {
        let config: Config = config::read(&self.common.place.clone().into())
            .context("without --key the server's configuration decides")?;
        let store = store::open_for(&config).await.context("without --key the server's database decides")?;
        let gate = Gate::new(config.gate(), &mut Registry::default());
        follow::fill(&store, &gate).await?;
        Ok((gate, config.country_source()?))
    }

    fn print(&self, denial: Option<&Denial>, viewer: &Viewer, at: &str) {
        let country = match viewer.country() {
            Country::Known(code) => code.to_string(),
            Country::Unknown => "unknown".to_owned(),
            Country::Unavailable => "no country database".to_owned(),
        };
        let mut answer = json!({
            "admitted": denial.is_none(),
            "ip": viewer.address().to_string(),
            "country": country,
            "path": self.path,
            "at": at,
        });
        if let Some(denial) = denial {
            answer["code"] = json!(denial.code());
            answer["reason"] = json!(denial.to_string());
            answer["rule"] = json!(denial.rule_index());
        }
        if self.common.json {
            return line(&format!("{answer:#}"));
        }
        match denial {
            None => line("ADMITTED"),
            Some(denial) => line(&format!("REFUSED {}: {}", denial.code(), visible(&denial.to_string()))),
        }
        for name in ["ip", "country", "path", "at"] {
            line(&format!("  {name:8} {}", visible(answer[name].as_str().unwrap_or_default())));
        }
        if let Value::Number(rule) = &answer["rule"] {
            line(&format!("  {:8} {rule} (the first is 0)", "rule"));
        }
    }
}

/// A gate that knows one key, under whichever id the token names, and the token's video.
fn gate_with(token: &str, key: &std::path::Path) -> anyhow::Result<Gate> {
    let public = key_file::public_key(key)?;
    let gate = Gate::new(GateConfig::default(), &mut Registry::default());
    let account = AccountId::random();
    let mut catalogue = Catalogue::default();
    // A token that cannot be read or is not the key's needs no entry: the gate will say so.
    if let Ok(unverified) = UnverifiedToken::parse(token) {
        let id = unverified.key_id().clone();
        if let Ok(claims) = unverified.verify(&public) {
            let policy = VideoPolicy { downloads: true, ..VideoPolicy::private(account.clone()) };
            catalogue.insert_video(claims.video().clone(), policy);
        }
        catalogue.insert_key(id, account, public);
    }
    gate.replace(catalogue);
    Ok(gate)
}

fn country(text: &str) -> Result<Country, vidpass_token::CountryError> {
    if text == "none" { Ok(Country::Unknown) } else { text.parse::<CountryCode>().map(Country::Known) }
}

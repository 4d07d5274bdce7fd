//! What is measured in this process: by the CPU clock of this thread, in slices that take turns.

use std::hint::black_box;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair};
use http::Request;
use prometheus_client::registry::Registry;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use vidpass_gate::{
    AddressInLog, Catalogue, CountrySource, CredentialPlace, ForwardAuth, ForwardedHeader, Gate, GateConfig, Judge,
    PlainLimits, PlainRequest, Preset, ProxyJudge, ViewerResolver, serve_plain,
};
use vidpass_rsa_batch::{Job, LANES, Lanes};
use vidpass_token::{
    AccessRule, AccountId, AccountPolicy, Algorithm, Ask, Asset, Clock, Limits, RevocationExtent, RevokedSubject,
    SigningKey, Standing, Taken, Terms, TokenId, UnixTime, UnverifiedToken, VideoPolicy, Viewer,
};

use crate::Bench;
use crate::bar::Outcome;
use crate::contest::{Better, Candidate, compete};
use crate::hot::{self, Count};
use crate::machine::{on_server_core, thread_cpu};
use crate::tokens::{self, VIDEO, now, viewer};
use crate::vidpass::ACCOUNT;

const RS256: Algorithm = Algorithm::Rs256;

/// How long a slice is. Short, so that the candidates see the same machine.
const SLICE: Duration = Duration::from_millis(20);

/// How long a connection of this process may be silent.
const PATIENCE: Duration = Duration::from_secs(60);

/// How many slices each candidate has, for each round of the other bars.
const SLICES: usize = 10;

/// How many nanoseconds of this thread's CPU one call of `work` takes, over a slice.
fn slice(mut work: impl FnMut() -> anyhow::Result<()>) -> anyhow::Result<f64> {
    let mut calls = 0_u32;
    let started = thread_cpu();
    loop {
        for _ in 0..16 {
            work()?;
        }
        calls += 16;
        let spent = thread_cpu() - started;
        if spent >= SLICE {
            return Ok(spent.as_secs_f64() * 1e9 / f64::from(calls));
        }
    }
}

/// The library's own RSA, and nothing around it.
pub(crate) struct RawRsa {
    private: RsaKeyPair,
    public: ParsedPublicKey,
    message: Vec<u8>,
    signature: Vec<u8>,
}

impl RawRsa {
    pub(crate) fn new(key: &SigningKey) -> anyhow::Result<Self> {
        let private = RsaKeyPair::from_pkcs8(&key.to_pkcs8())?;
        let public = ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.public().spki_der())?;
        // As long as what a token's signature is of.
        let token = key.sign(&tokens::claims(0, tokens::rules()?)?)?;
        let (message, _) = token.as_str().rsplit_once('.').context("a token has dots")?;
        let message = message.as_bytes().to_vec();
        let mut raw = Self { private, public, message, signature: Vec::new() };
        raw.signature = vec![0; raw.private.public_modulus_len()];
        raw.sign()?;
        Ok(raw)
    }

    fn sign(&mut self) -> anyhow::Result<()> {
        self.private.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), &self.message, &mut self.signature)?;
        Ok(())
    }

    fn verify(&self) -> anyhow::Result<()> {
        Ok(self.public.verify_sig(black_box(&self.message), &self.signature)?)
    }

    /// On the servers' core, for as long as a server is measured.
    pub(crate) fn verifies_a_second(&self) -> anyhow::Result<f64> {
        on_server_core(|| a_second(|| self.verify()))
    }

    /// The same for signatures.
    pub(crate) fn signs_a_second(&mut self) -> anyhow::Result<f64> {
        on_server_core(|| a_second(|| self.sign()))
    }
}

/// Eight signatures at once, and nothing around them.
pub(crate) struct Eight {
    lanes: Lanes,
    key: SigningKey,
    message: Vec<u8>,
}

impl Eight {
    pub(crate) fn new(key: &SigningKey) -> anyhow::Result<Self> {
        let unsigned = key.prepare(&tokens::claims(0, tokens::rules()?)?)?;
        Ok(Self { lanes: Lanes::load()?, key: key.clone(), message: unsigned.signing_input().to_vec() })
    }

    /// What signing at volume cannot do without.
    pub(crate) fn limit(&self) -> Candidate<'_> {
        Candidate::limit("signing eight at once and nothing else", || self.signs_a_second())
    }

    /// On the servers' core, for as long as a server is measured.
    fn signs_a_second(&self) -> anyhow::Result<f64> {
        let job = Job { key: self.key.rsa_parts().context("an RSA key")?, message: &self.message };
        let sign = || {
            let signed = self.lanes.sign(black_box(&[job; LANES]));
            ensure!(signed.iter().all(Option::is_some), "a signature came out wrong");
            Ok(())
        };
        #[expect(clippy::cast_precision_loss, reason = "eight")]
        on_server_core(|| Ok(a_second(sign)? * LANES as f64))
    }
}

/// How often `work` is done in a CPU-second, over a few slices.
fn a_second(mut work: impl FnMut() -> anyhow::Result<()>) -> anyhow::Result<f64> {
    let slices: anyhow::Result<Vec<f64>> = (0..15).map(|_| slice(&mut work)).collect();
    Ok(1e9 / crate::contest::median(&slices?))
}

pub(crate) fn sign_local(bench: &Bench) -> anyhow::Result<Outcome> {
    let key = tokens::signing_key(Algorithm::Rs256)?;
    let claims = tokens::claims(0, tokens::rules()?)?;
    let mut raw = RawRsa::new(&key)?;
    let figures = compete(
        bench.rounds * SLICES,
        Better::More,
        Candidate::new("vidpass-token", || {
            let sign = || key.sign(black_box(&claims)).map(drop).map_err(anyhow::Error::from);
            Ok(1e9 / slice(sign)?)
        }),
        vec![Candidate::new("raw RSA sign", || Ok(1e9 / slice(|| raw.sign())?))],
    )?;
    Ok(Outcome::Measured(
        figures.remark("Slices of 20 ms; the token crate also verifies each signature that it gives out."),
    ))
}

pub(crate) fn rules(bench: &Bench) -> anyhow::Result<Outcome> {
    let decision = Decision::new(Algorithm::Rs256)?;
    let figures = compete(
        bench.rounds * SLICES,
        Better::Less,
        Candidate::new("vidpass", || slice(|| decision.make())),
        Vec::new(),
    )?;
    let figures =
        figures.remark("Slices of 20 ms: the country of the address, then every check of the claims, to a permit.");
    let figures = match hot::count("decision") {
        Ok(Count { instructions, allocations: 0.0 }) => {
            figures.remark(format!("{instructions:.0} instructions and no allocation."))
        }
        Ok(Count { instructions, allocations }) => figures
            .broken(format!("{instructions:.0} instructions, and {allocations:.1} allocations where none are wanted.")),
        Err(error) => figures.broken(format!("Allocations could not be counted: {error:#}.")),
    };
    Ok(Outcome::Measured(figures))
}

/// A decision with the verified token in hand.
pub(crate) struct Decision {
    claims: vidpass_token::SignedClaims,
    video: VideoPolicy,
    account: AccountPolicy,
    limits: Limits,
    countries: CountrySource,
    address: IpAddr,
    now: UnixTime,
}

impl Decision {
    pub(crate) fn new(algorithm: Algorithm) -> anyhow::Result<Self> {
        let key = tokens::signing_key(algorithm)?;
        let token = key.sign(&tokens::claims(0, tokens::rules()?)?)?;
        let claims = UnverifiedToken::parse(token.as_str())?.verify(key.public())?;
        Ok(Self {
            claims,
            video: VideoPolicy::private(ACCOUNT.parse()?),
            account: AccountPolicy::default(),
            limits: Limits::default(),
            countries: CountrySource::embedded(),
            address: viewer(0).parse()?,
            now: now(),
        })
    }

    pub(crate) fn make(&self) -> anyhow::Result<()> {
        let address = black_box(self.address);
        let viewer = Viewer::new(address, self.countries.country(address), None);
        let ask = Ask { viewer: &viewer, named: None, asset: Asset::Media, now: self.now };
        let terms = Terms { video: Some(&self.video), account: &self.account, limits: &self.limits };
        black_box(self.claims.admit(&self.video.account, &terms, Standing::Good, &ask)?);
        Ok(())
    }
}

pub(crate) fn scale_rules(bench: &Bench) -> anyhow::Result<Outcome> {
    // The fewest rules that let the same viewer in for the same reason: the country.
    let one: Vec<AccessRule> = tokens::rules()?.into_iter().skip(3).take(1).collect();
    let (many, few) = (Answering::new(RS256, tokens::rules()?, 1, 0)?, Answering::new(RS256, one, 1, 0)?);
    scale(bench, ("5 rules", &many), ("1 rule", &few))
}

pub(crate) fn scale_keys(bench: &Bench) -> anyhow::Result<Outcome> {
    let (many, hundred) =
        (Answering::new(RS256, tokens::rules()?, 1000, 0)?, Answering::new(RS256, tokens::rules()?, 100, 0)?);
    let few = Answering::new(RS256, tokens::rules()?, 1, 0)?;
    let outcome = scale(bench, ("1,000 keys", &many), ("1 key", &few))?;
    let (some, one) = (slice(|| hundred.answer())?, slice(|| few.answer())?);
    Ok(remarked(outcome, format!("With 100 keys {some:.0} ns against {one:.0} ns, one slice each.")))
}

pub(crate) fn scale_revocations(bench: &Bench) -> anyhow::Result<Outcome> {
    let (many, few) =
        (Answering::new(RS256, tokens::rules()?, 1, 1_000_000)?, Answering::new(RS256, tokens::rules()?, 1, 0)?);
    scale(bench, ("1,000,000 revocations", &many), ("none", &few))
}

fn scale(bench: &Bench, many: (&str, &Answering), few: (&str, &Answering)) -> anyhow::Result<Outcome> {
    let figures = compete(
        bench.rounds * SLICES,
        Better::Less,
        Candidate::new(many.0, || slice(|| many.1.answer())),
        vec![Candidate::new(few.0, || slice(|| few.1.answer()))],
    )?;
    let remark = "Slices of 20 ms: a whole answer of the forward-auth service, from the parsed request to its headers.";
    Ok(Outcome::Measured(figures.remark(remark)))
}

fn remarked(outcome: Outcome, remark: String) -> Outcome {
    match outcome {
        Outcome::Measured(figures) => Outcome::Measured(figures.remark(remark)),
        unavailable @ Outcome::Unavailable(_) => unavailable,
    }
}

/// A forward-auth service in this process, and what it is asked.
pub(crate) struct Answering {
    service: ForwardAuth,
    question: Request<()>,
    peer: SocketAddr,
}

impl Answering {
    /// A gate that knows so many keys and revocations, asked with a token of these rules that it has seen.
    pub(crate) fn new(
        algorithm: Algorithm,
        rules: Vec<AccessRule>,
        keys: usize,
        revocations: usize,
    ) -> anyhow::Result<Self> {
        let key = tokens::signing_key(algorithm)?;
        let token = key.sign(&tokens::claims(0, rules)?)?;
        let gate = Arc::new(Gate::new(GateConfig { lease: None, ..GateConfig::default() }, &mut Registry::default()));
        _ = gate.replace(catalogue(&key, keys, revocations)?);
        let time = now();
        let judge = Judge {
            gate,
            countries: Arc::new(CountrySource::embedded()),
            credential_place: CredentialPlace::default(),
            address_in_log: AddressInLog::default(),
            clock: Arc::new(move || time),
        };
        let judge = ProxyJudge {
            judge: Arc::new(judge),
            viewers: ViewerResolver::new(Vec::new(), ForwardedHeader::XForwardedFor),
            proxies: vec!["127.0.0.1/32".parse()?],
        };
        let question = Request::builder()
            .uri("/")
            .header("host", "video.example.com")
            .header("x-original-uri", format!("/{}/seg/1080p-00001.m4s", token.as_str()))
            .header("x-original-method", "GET")
            .header("x-original-host", "video.example.com")
            .header("x-forwarded-for", viewer(0))
            .body(())?;
        let answering = Self {
            service: ForwardAuth::new(judge, Preset::Nginx),
            question,
            peer: SocketAddr::from(([127, 0, 0, 1], 9)),
        };
        answering.answer()?;
        Ok(answering)
    }

    /// Asks the same so many times over one connection, and answers as a server does; both are in this thread.
    pub(crate) fn answer_connection(&self, times: u32) -> anyhow::Result<()> {
        let headers = self.question.headers().iter();
        let lines: String =
            headers.map(|(name, value)| format!("{name}: {}\r\n", value.to_str().unwrap_or_default())).collect();
        let question = format!("GET / HTTP/1.1\r\n{lines}\r\n");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            let mut proxy = TcpStream::connect(listener.local_addr()?).await?;
            let (stream, _) = listener.accept().await?;
            let limits = PlainLimits { header_timeout: PATIENCE, write_timeout: PATIENCE };
            let (_stop, stopping) = watch::channel(false);
            let clock: Clock = Arc::new(|| UnixTime(0));
            let answer = |asked: &PlainRequest<'_>| self.service.answer_plain(asked);
            let serving = serve_plain(stream, self.peer, &limits, &clock, stopping, answer);
            let asking = async move {
                let mut answer = [0; 2048];
                for _ in 0..times {
                    proxy.write_all(question.as_bytes()).await?;
                    let read = proxy.read(&mut answer).await?;
                    ensure!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer[..read]));
                }
                Ok(())
            };
            tokio::join!(serving, asking).1
        })
    }

    pub(crate) fn answer(&self) -> anyhow::Result<()> {
        let response = self.service.answer(black_box(&self.question), self.peer);
        ensure!(response.status() == 200, "the answer is {}", response.status());
        Ok(())
    }
}

/// One video, its key among others, and revocations of other tokens.
fn catalogue(key: &SigningKey, keys: usize, revocations: usize) -> anyhow::Result<Catalogue> {
    let account: AccountId = ACCOUNT.parse()?;
    let mut catalogue = Catalogue::default();
    catalogue.insert_video(VIDEO.parse()?, VideoPolicy::private(account.clone()));
    catalogue.insert_key(key.id().clone(), account.clone(), key.public().clone());
    // What the others verify does not matter, only that they are there: making a thousand RSA keys takes minutes.
    let other = SigningKey::generate(Algorithm::EdDsa, "other".parse()?)?;
    for number in 1..keys {
        catalogue.insert_key(format!("other-{number}").parse()?, account.clone(), other.public().clone());
    }
    let taken = Taken { extent: RevocationExtent::All, until: None };
    for number in 0..revocations {
        let subject = RevokedSubject::TokenId(format!("gone-{number}").parse::<TokenId>()?);
        catalogue.set_revocations(subject.mark(&account), Box::new([taken]));
    }
    Ok(catalogue)
}

//! The pure parts of a decision: cargo bench -p vidpass-token

use std::hint::black_box;
use std::time::Duration;

use criterion::Criterion;
use vidpass_token::{
    AccountId, AccountPolicy, Algorithm, Ask, Asset, Claims, Country, Limits, MediaPath, SigningKey, Standing, Terms,
    UnixTime, UnverifiedToken, VideoPolicy, Viewer, json::Json, parse_rules,
};

const NOW: UnixTime = UnixTime(1_800_000_000);

const RULES: &[u8] = br#"[
    {"type": "ip.src", "action": "block", "ip": ["198.51.100.0/24"]},
    {"type": "ip.src", "action": "allow", "ip": ["192.0.2.7/32"]},
    {"type": "ip.geoip.country", "action": "block", "country": ["KP", "RU"]},
    {"type": "ip.geoip.country", "action": "allow", "country": ["SE", "NO"]},
    {"type": "any", "action": "block"}
]"#;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let key = SigningKey::generate(Algorithm::Rs256, "key-1".parse().expect("an id")).expect("a key");
    let token = key.sign(&claims()).expect("a token");

    let path = format!("/{}/seg/1080p-00001.m4s", token.as_str());
    criterion.bench_function("parse a path", |bencher| bencher.iter(|| MediaPath::parse(black_box(&path)).is_ok()));

    criterion.bench_function("parse a token", |bencher| {
        bencher.iter(|| UnverifiedToken::parse(black_box(token.as_str())).is_ok());
    });
    let verified = || UnverifiedToken::parse(black_box(token.as_str())).and_then(|parsed| parsed.verify(key.public()));
    criterion.bench_function("parse and verify a token", |bencher| bencher.iter(|| verified().is_ok()));

    let claims = verified().expect("a good token");
    let account: AccountId = "account-1".parse().expect("an id");
    let video = VideoPolicy::private(account);
    let country = Country::Known("SE".parse().expect("a country"));
    let viewer = Viewer::new("130.235.1.1".parse().expect("an address"), country, None);
    let (owner, limits) = (AccountPolicy::default(), Limits::default());
    let terms = Terms { video: Some(&video), account: &owner, limits: &limits };
    let ask = Ask { viewer: &viewer, named: None, asset: Asset::Media, now: NOW };
    criterion.bench_function("admit under five rules", |bencher| {
        bencher.iter(|| black_box(&claims).admit(&video.account, &terms, Standing::Good, &ask).is_ok());
    });
    criterion.final_summary();
}

fn claims() -> Claims {
    let rules = Json::parse(RULES).expect("JSON");
    Claims {
        access_rules: parse_rules(&rules, 5).expect("rules"),
        ..Claims::new("video-1".parse().expect("an id"), NOW.plus(Duration::from_secs(3600)))
    }
}

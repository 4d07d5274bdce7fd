//! A gate that remembers good signatures decides as one that remembers nothing.

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, TestRunner};
use vidpass_token::{AccessRule, Action, CountryCode, Matcher, RevocationMark, TokenMarks};

use super::*;

const REQUESTS: usize = 100_000;

/// One of so many requests is a change of what the gates know.
const CHANGES: usize = 20;

const VIDEOS: [&str; 4] = ["private", "public", "foreign", "nothing"];

#[test]
fn what_was_seen_changes_no_decision() {
    let [remembers, forgets] = [1 << 20, 0].map(|seen_tokens_bytes| {
        let gate = Gate::new(GateConfig { seen_tokens_bytes, ..GateConfig::default() }, &mut Registry::default());
        gate.replace(catalogue());
        gate
    });
    let (tokens, mut runner) = (tokens(), TestRunner::new(Config { failure_persistence: None, ..Config::default() }));
    let (requests, changes) = (request(tokens.len()), change(&tokens));
    let mut permits = 0;
    for number in 0..REQUESTS {
        if number % CHANGES == 0 {
            let change = changes.new_tree(&mut runner).unwrap().current();
            for gate in [&remembers, &forgets] {
                gate.update(|catalogue| change.apply(catalogue));
            }
        }
        let Request { token, file, viewer, now, is_cut_off } = requests.new_tree(&mut runner).unwrap().current();
        let target = format!("/{}/{file}", tokens[token]);
        let path = MediaPath::parse(&target).unwrap();
        let ask = MediaAsk { path: &path, viewer: &viewer, now, is_cut_off };
        let [remembering, forgetting] = [&remembers, &forgets].map(|gate| gate.examine(&ask));
        permits += usize::from(remembering.outcome.is_ok());
        assert_eq!(remembering.outcome, forgetting.outcome, "request {number}: {target} of {viewer:?}");
        assert_eq!(remembering.account, forgetting.account, "request {number}: {target}");
    }
    assert!((REQUESTS / 100..REQUESTS / 2).contains(&permits), "{permits} of {REQUESTS} were let in");
    assert!(!remembers.seen.is_empty() && forgets.seen.is_empty());
}

#[derive(Clone, Debug)]
struct Request {
    token: usize,
    file: &'static str,
    viewer: Viewer,
    now: UnixTime,
    is_cut_off: bool,
}

/// Something that changes decisions.
#[derive(Clone, Debug)]
enum Change {
    /// Another key has this id now, or it is of another account.
    Key(&'static str, bool),
    Revocation(RevocationMark, Option<RevocationExtent>),
    Video(&'static str, Option<VideoPolicy>),
    Account(Option<AccountPolicy>),
}

impl Change {
    fn apply(&self, catalogue: &mut Catalogue) {
        match self.clone() {
            Self::Key(account, is_other) => {
                let key = if is_other { &OTHER } else { &KEY };
                catalogue.insert_key(KEY.id().clone(), id(account), key.public().clone());
            }
            Self::Revocation(mark, extent) => {
                catalogue
                    .set_revocations(mark, extent.map(|extent| Taken { extent, until: None }).into_iter().collect());
            }
            Self::Video(uid, Some(policy)) => catalogue.insert_video(id(uid), policy),
            Self::Video(uid, None) => catalogue.remove_video(&id(uid)),
            Self::Account(policy) => catalogue.insert_account(id("owner"), policy),
        }
    }
}

fn request(tokens: usize) -> impl Strategy<Value = Request> {
    let file = prop::sample::select(vec!["hls/seg-1.m4s", "hls/seg-1.m4s", "hls/seg-1.m4s", "downloads/default.mp4"]);
    let address = prop::sample::select(vec!["192.0.2.7", "198.51.100.7", "2001:db8::7"]);
    let country = prop::sample::select(vec!["SE", "DE", "-", "?"]);
    let origin = prop::sample::select(vec!["", "", "https://a.example", "https://b.example"]);
    let viewer = (address, country, origin).prop_map(|(address, country, origin)| {
        let country = match country {
            "-" => Country::Unknown,
            "?" => Country::Unavailable,
            code => Country::Known(code.parse().unwrap()),
        };
        Viewer::new(address.parse().unwrap(), country, origin.parse().ok())
    });
    let seconds = prop_oneof![8 => Just(0_i64), 1 => -100..100_i64];
    (0..tokens, file, viewer, seconds, prop::bool::weighted(0.02)).prop_map(
        |(token, file, viewer, seconds, is_cut_off)| Request {
            token,
            file,
            viewer,
            now: UnixTime(NOW.0 + seconds),
            is_cut_off,
        },
    )
}

fn change(tokens: &[String]) -> impl Strategy<Value = Change> + use<> {
    let marks: Vec<RevocationMark> = tokens
        .iter()
        .filter_map(|token| UnverifiedToken::parse(token).ok()?.verify(KEY.public()).ok())
        .flat_map(|claims| TokenMarks::of(&id("owner"), &claims).iter().map(|(_, mark)| mark).collect::<Vec<_>>())
        .collect();
    let extent = prop::sample::select(vec![
        None,
        None,
        Some(RevocationExtent::All),
        Some(RevocationExtent::IssuedBefore(UnixTime(NOW.0 - 50))),
    ]);
    let account = prop::sample::select(vec!["owner", "owner", "owner", "somebody"]);
    let policy = (account.clone(), any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
        |(account, require_signed_urls, downloads, anywhere)| VideoPolicy {
            require_signed_urls,
            downloads,
            allowed_origins: if anywhere { Vec::new() } else { vec![id("a.example")] },
            ..VideoPolicy::private(id(account))
        },
    );
    let dry_run = prop::bool::weighted(0.2).prop_map(|dry_run| AccountPolicy { dry_run, ..AccountPolicy::default() });
    prop_oneof![
        2 => (account, prop::bool::weighted(0.15)).prop_map(|(account, is_other)| Change::Key(account, is_other)),
        4 => (prop::sample::select(marks), extent).prop_map(|(mark, extent)| Change::Revocation(mark, extent)),
        4 => (prop::sample::select(&VIDEOS[..]), prop::option::weighted(0.8, policy))
            .prop_map(|(uid, policy)| Change::Video(uid, policy)),
        1 => prop::option::weighted(0.95, dry_run).prop_map(Change::Account),
    ]
}

/// Tokens of every kind, one that is forged, one that is broken, and what is none.
fn tokens() -> Vec<String> {
    let rule = |action, matcher| AccessRule { action, matcher };
    let country = |code: &str| Matcher::Country(vec![code.parse::<CountryCode>().unwrap()]);
    let network = |text: &str| Matcher::Ip(vec![text.parse().unwrap()]);
    let rules = [
        vec![],
        vec![rule(Action::Allow, network("192.0.2.0/24")), rule(Action::Block, Matcher::Any)],
        vec![rule(Action::Block, country("SE")), rule(Action::Allow, network("2001:db8::/32"))],
    ];
    let mut tokens = vec!["public".to_owned(), "private".to_owned(), "a.b.c".to_owned()];
    for video in VIDEOS {
        for access_rules in &rules {
            for downloadable in [false, true] {
                let claims = Claims {
                    access_rules: access_rules.clone(),
                    downloadable,
                    issued_at: downloadable.then_some(UnixTime(NOW.0 - 20)),
                    viewer: downloadable.then(|| "alice".parse().unwrap()),
                    ..claims(video)
                };
                tokens.push(KEY.sign(&claims).unwrap().as_str().to_owned());
            }
        }
        tokens.push(OTHER.sign(&claims(video)).unwrap().as_str().to_owned());
    }
    let broken = format!("{}A", tokens[3].strip_suffix(|_: char| true).unwrap());
    tokens.push(broken);
    tokens
}

//! Several issuers and gates on one PostgreSQL: how soon all of them refuse what one was told to, and what they do while the
//! database is away.
//!
//! `make test` runs them small. `make cluster-test` runs them large, in an optimised build, and prints what it measured.

mod database;
mod nodes;
mod viewers;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::time::{interval, sleep};

use self::database::Database;
use self::nodes::targets;
pub(crate) use self::nodes::{Cluster, Size, claims};
use self::viewers::Viewers;

use crate::support::Cable;

const SMALL: Size = Size { issuers: 1, gates: 2 };
const LARGE: Size = Size { issuers: 2, gates: 8 };

/// How often each of the four things is asked for at a gate that are taken back: 200 requests a second together.
const PAUSE: Duration = Duration::from_millis(20);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_taken_back_is_refused_by_every_gate_at_once() {
    let delays = take_back("take-back", SMALL, true, 3).await;
    // The bounds that the large test holds; a debug build on a busy machine is given a second more.
    assert!(delays.last() < Some(&Duration::from_millis(1500)), "{delays:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "make cluster-test"]
async fn large_what_is_taken_back_is_refused_by_every_gate_at_once() {
    let delays = take_back("take-back-large", LARGE, true, 50).await;
    report("from the API's answer to the last accept at any of 8 gates", &delays);
    assert!(percentile(&delays, 99) <= Duration::from_millis(100));
    assert!(delays.last() <= Some(&Duration::from_millis(500)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "make cluster-test"]
async fn large_what_is_taken_back_is_refused_within_a_poll_where_nobody_is_told() {
    let delays = take_back("take-back-poll", LARGE, false, 25).await;
    report("the same without NOTIFY", &delays);
    assert!(delays.last() <= Some(&Duration::from_millis(1200)));
    assert!(percentile(&delays, 50) >= Duration::from_millis(200), "the gates were told all the same");
}

/// Deletes a key, and takes back a token, a viewer's, and a video's earlier ones, so many times each. Gives how long after the
/// API's answer each was still accepted anywhere, sorted.
async fn take_back(name: &str, size: Size, told: bool, rounds: usize) -> Vec<Duration> {
    let cluster = Cluster::start(name, size, "");
    if !told {
        // Found before PostgreSQL's own, by sessions that begin after this.
        cluster.database.query("CREATE FUNCTION pg_notify(text, text) RETURNS void LANGUAGE sql AS ''");
        cluster.database.query("ALTER DATABASE postgres SET search_path = public, pg_catalog");
        cluster.database.query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'vidpass' AND query NOT LIKE 'LISTEN%'",
        );
        sleep(Duration::from_secs(2)).await;
    }
    let settle = if told { Duration::from_millis(700) } else { Duration::from_millis(1600) };
    let mut delays = Vec::new();
    for round in 0..rounds {
        delays.extend(take_back_once(&cluster, round, settle).await);
    }
    delays.sort_unstable();
    delays
}

async fn take_back_once(cluster: &Cluster, round: usize, settle: Duration) -> Vec<Duration> {
    let (uid, viewer) = (format!("v{round}"), format!("viewer-{round}"));
    let (key, doomed) = (cluster.key(round).await, cluster.key(round + 1).await);
    cluster.video(&uid).await;
    cluster.video("film").await;
    let token = key.sign(&claims("film")).unwrap();
    let of_viewer = vidpass_token::Claims { viewer: Some(viewer.parse().unwrap()), ..claims("film") };
    let revocation = |mut body: Value| {
        body["reason"] = json!("a test");
        ("POST", "stream/revocations".to_owned(), Some(body))
    };
    let doomed_key = format!("stream/keys/{}", doomed.id());
    let events = [
        (token.clone(), revocation(json!({ "token": token.as_str() }))),
        (key.sign(&of_viewer).unwrap(), revocation(json!({ "viewer": viewer }))),
        (key.sign(&claims(&uid)).unwrap(), revocation(json!({ "video": uid }))),
        (doomed.sign(&claims("film")).unwrap(), ("DELETE", doomed_key, None)),
    ];
    let start = |token: &str| -> Vec<Viewers> {
        targets(&cluster.gates, token).into_iter().map(|url| Viewers::start(&cluster.http, url, PAUSE)).collect()
    };
    // Whatever was just made is known everywhere within a poll.
    sleep(Duration::from_millis(1200)).await;
    let watched: Vec<_> = events.iter().map(|(token, _)| start(token.as_str())).collect();
    sleep(Duration::from_millis(300)).await;
    let mut answered = Vec::new();
    for (number, (_, (method, path, body))) in events.iter().enumerate() {
        cluster.done(round + number, method, path, body.clone()).await;
        answered.push(Instant::now());
    }
    sleep(settle).await;
    let delay = |(viewers, answered): (&Vec<Viewers>, Instant)| {
        let seen: Vec<_> = viewers.iter().map(Viewers::seen).collect();
        for seen in &seen {
            assert!(seen.accepted > 5 && seen.refused > 5 && seen.failed == 0, "{seen:?}");
            assert!(seen.last_refused > seen.last_accepted);
        }
        let last = seen.iter().filter_map(|seen| seen.last_accepted).max().unwrap();
        last.saturating_duration_since(answered)
    };
    watched.iter().zip(answered).map(delay).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "make cluster-test"]
async fn large_a_gate_that_is_cut_off_admits_until_its_lease_is_over() {
    let database = Database::start();
    let cable = Cable::to(&database.socket()).await;
    let through_the_cable = format!("postgres://postgres@127.0.0.1:{}/postgres", cable.port);
    let size = Size { issuers: 1, gates: 2 };
    let cluster = Cluster::on(database, "cut", size, "[tokens]\nlease = \"5s\"", &through_the_cable);
    let key = cluster.key(0).await;
    cluster.video("film").await;
    sleep(Duration::from_millis(1200)).await;
    let token = key.sign(&claims("film")).unwrap();
    let (mut latest, mut back) = (Vec::new(), Vec::new());
    for _ in 0..20 {
        let viewers: Vec<_> = targets(&cluster.gates, token.as_str())
            .into_iter()
            .map(|url| Viewers::start(&cluster.http, url, PAUSE))
            .collect();
        sleep(Duration::from_secs(2)).await;
        let before: Vec<_> = viewers.iter().map(Viewers::seen).collect();
        assert!(before.iter().all(|seen| seen.refused == 0 && seen.failed == 0), "{before:?}");
        cable.cut();
        let cut = Instant::now();
        sleep(Duration::from_secs(8)).await;
        let during: Vec<_> = viewers.iter().map(Viewers::seen).collect();
        cable.mend();
        let mended = Instant::now();
        sleep(Duration::from_secs(3)).await;
        let after: Vec<_> = viewers.iter().map(Viewers::seen).collect();
        for (during, after) in during.iter().zip(&after) {
            latest.push(during.last_accepted.unwrap().saturating_duration_since(cut));
            back.push(after.last_refused.unwrap().saturating_duration_since(mended));
            assert!(after.failed == 0 && after.accepted > during.accepted, "{after:?}");
        }
    }
    latest.sort_unstable();
    back.sort_unstable();
    report("from the cut to the last accept, with a lease of 5 s", &latest);
    report("from the mending to the last refusal", &back);
    assert!(latest.first() >= Some(&Duration::from_secs(3)), "it decides until its lease ends");
    assert!(latest.last() <= Some(&Duration::from_secs(6)));
    assert!(back.last() <= Some(&Duration::from_secs(2)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_killed_hinders_no_viewer() {
    kill_the_database("database-killed", SMALL, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "make cluster-test"]
async fn large_a_database_that_is_killed_hinders_no_viewer() {
    kill_the_database("database-killed-large", LARGE, 5).await;
}

async fn kill_the_database(name: &str, size: Size, rounds: usize) {
    let mut cluster = Cluster::start(name, size, "");
    let key = cluster.key(0).await;
    cluster.video("film").await;
    let good = key.sign(&claims("film")).unwrap();
    let bad = key.sign(&vidpass_token::Claims { viewer: Some("bad".parse().unwrap()), ..claims("film") }).unwrap();
    cluster.done(0, "POST", "stream/revocations", Some(json!({ "viewer": "bad", "reason": "a test" }))).await;
    sleep(Duration::from_millis(1200)).await;
    let watch = |token: &str| -> Vec<Viewers> {
        targets(&cluster.gates, token).into_iter().map(|url| Viewers::start(&cluster.http, url, PAUSE)).collect()
    };
    let (let_in, kept_out) = (watch(good.as_str()), watch(bad.as_str()));
    let open = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'vidpass'";
    let mut most = 0;
    for _ in 0..rounds {
        assert_eq!(issue(&cluster).await, StatusCode::OK);
        most = most.max(cluster.database.query(open).parse().unwrap());
        cluster.database.kill();
        // What was read of it is good for a tenth of a second.
        sleep(Duration::from_millis(200)).await;
        let killed = Instant::now();
        while killed.elapsed() < Duration::from_secs(3) {
            assert_eq!(issue(&cluster).await, StatusCode::SERVICE_UNAVAILABLE);
        }
        let restarted = cluster.database.restart();
        while issue(&cluster).await != StatusCode::OK {
            assert!(restarted.elapsed() < Duration::from_secs(10), "nothing is issued");
        }
        println!("cluster: issuing {:?} after the database came back", restarted.elapsed());
        assert!(restarted.elapsed() < Duration::from_secs(2), "{:?}", restarted.elapsed());
        sleep(Duration::from_secs(2)).await;
        most = most.max(cluster.database.query(open).parse().unwrap());
    }
    for viewers in &let_in {
        let seen = viewers.seen();
        assert!(seen.accepted > 100 && seen.refused == 0 && seen.failed == 0, "{seen:?}");
    }
    for viewers in &kept_out {
        let seen = viewers.seen();
        assert!(seen.refused > 100 && seen.accepted == 0 && seen.failed == 0, "{seen:?}");
    }
    let processes = size.issuers + size.gates;
    // Ten for callers, one to follow, one to listen.
    assert!((processes..=12 * processes).contains(&most), "{most}");
    println!("cluster: at most {most} connections of {processes} processes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "make cluster-test"]
async fn large_a_million_revocations_and_a_thousand_keys_in_a_gate() {
    let mut cluster = Cluster::start("million", Size { issuers: 1, gates: 1 }, "");
    let keys = "
        INSERT INTO signing_key (id, account_id, public_key, managed, created)
        SELECT 'many-' || i, 'a1', k.public_key, 0, 1 FROM generate_series(3, 1000) i, signing_key k WHERE k.id = $ID";
    let made = cluster.done(0, "POST", "stream/keys", Some(json!({ "alg": "RS256" }))).await;
    let key = cluster.key(0).await;
    cluster.database.query(&keys.replace("$ID", &format!("'{}'", made["id"].as_str().unwrap())));
    let (took, empty) = cluster.start_gate(1).await;
    println!("cluster: a gate with 1,000 keys is ready after {took:?}, with {} MiB", empty / 1024);
    assert!(took <= Duration::from_millis(500), "{took:?}");

    cluster.database.query(
        "INSERT INTO revocation (id, account_id, kind, subject, mark, reason, created, until)
         SELECT 'r' || i, 'a1', 'jti', 'j' || i, md5(i::text), 'a test', 1, 4000000000 FROM generate_series(1, 1000000) i",
    );
    let (took, full) = cluster.start_gate(2).await;
    let each = (full - empty) * 1024 / 1_000_000;
    println!(
        "cluster: a gate with 1,000,000 revocations is ready after {took:?}, with {} MiB, {each} bytes each",
        full / 1024
    );
    assert!(each <= 250, "{each} bytes");

    // One more change copies little: it is there as soon as with none.
    cluster.video("film").await;
    let of_viewer = vidpass_token::Claims { viewer: Some("alice".parse().unwrap()), ..claims("film") };
    let token = key.sign(&of_viewer).unwrap();
    sleep(Duration::from_millis(1500)).await;
    let last = cluster.gates.pop().unwrap();
    let viewers = Viewers::start(&cluster.http, format!("{}/{}/a.ts", last.url, token.as_str()).into(), PAUSE);
    sleep(Duration::from_millis(500)).await;
    let revocation = json!({ "viewer": "alice", "reason": "a test" });
    cluster.done(0, "POST", "stream/revocations", Some(revocation)).await;
    let answered = Instant::now();
    sleep(Duration::from_secs(2)).await;
    let seen = viewers.seen();
    assert!(seen.accepted > 10 && seen.refused > 10 && seen.failed == 0, "{seen:?}");
    let delay = seen.last_accepted.unwrap().saturating_duration_since(answered);
    println!("cluster: beside 1,000,000 others a revocation is heeded after {delay:?}");
    assert!(delay <= Duration::from_millis(500));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "make cluster-test"]
async fn large_rotation_refuses_nobody() {
    const ROTATIONS: u32 = 30;
    let cluster = Arc::new(Cluster::start("rotation-large", Size { issuers: 2, gates: 4 }, ""));
    cluster.video("film").await;
    assert_eq!(issue(&cluster).await, StatusCode::OK);
    let played = Arc::new(Played::default());
    let mut ticks = interval(Duration::from_millis(10));
    for second in 0..ROTATIONS * 10 {
        if second % 10 == 0 {
            cluster.installed.json(&["key", "rotate"]);
        }
        for number in 0..100 {
            ticks.tick().await;
            tokio::spawn(issue_and_play(Arc::clone(&cluster), number, Arc::clone(&played)));
        }
    }
    sleep(Duration::from_secs(2)).await;
    let kept = played.kept.lock().unwrap().clone();
    for token in &kept {
        play(&cluster, token, &played).await;
    }
    let [good, bad] = [&played.good, &played.bad].map(|count| count.load(Ordering::Relaxed));
    let keys = played.keys.lock().unwrap().len();
    let tokens = played.tokens.load(Ordering::Relaxed);
    let unanswered = played.unanswered.load(Ordering::Relaxed);
    println!(
        "cluster: {ROTATIONS} rotations, {tokens} tokens of {keys} keys, {good} plays at 4 gates, {bad} refused, \
         {unanswered} sent again"
    );
    assert!(tokens > 25_000 && bad == 0 && keys > 20 && unanswered < tokens / 1000);
    assert_eq!(good, 4 * (tokens + kept.len()), "a token was not issued, or not played");
}

/// What became of tokens that were issued while keys rotated.
#[derive(Default)]
struct Played {
    /// How many were asked for.
    tokens: AtomicUsize,
    good: AtomicUsize,
    bad: AtomicUsize,
    /// How many requests had no answer at all, and were sent again.
    unanswered: AtomicUsize,
    keys: Mutex<BTreeSet<String>>,
    /// Some tokens, to be played again at the end.
    kept: Mutex<Vec<String>>,
}

async fn issue_and_play(cluster: Arc<Cluster>, number: usize, played: Arc<Played>) {
    played.tokens.fetch_add(1, Ordering::Relaxed);
    let token = cluster.done(number, "POST", "stream/film/token", None).await["token"].as_str().unwrap().to_owned();
    let key = vidpass_token::UnverifiedToken::parse(&token).unwrap().key_id().to_string();
    played.keys.lock().unwrap().insert(key);
    play(&cluster, &token, &played).await;
    if number == 0 {
        played.kept.lock().unwrap().push(token);
    }
}

async fn play(cluster: &Cluster, token: &str, played: &Played) {
    for url in targets(&cluster.gates, token) {
        let mut answer = cluster.http.get(&*url).send().await;
        if answer.is_err() {
            // A kept connection may end in the moment in which it is used. That refuses nobody, and players ask again.
            played.unanswered.fetch_add(1, Ordering::Relaxed);
            answer = cluster.http.get(&*url).send().await;
        }
        let count = if answer.is_ok_and(|answer| answer.status() == 200) { &played.good } else { &played.bad };
        count.fetch_add(1, Ordering::Relaxed);
    }
}

async fn issue(cluster: &Cluster) -> StatusCode {
    cluster.api(0, "POST", "stream/film/token", None).await.0
}

fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    sorted[(sorted.len() * percent / 100).min(sorted.len() - 1)]
}

fn report(what: &str, sorted: &[Duration]) {
    let [p50, p99] = [50, 99].map(|percent| percentile(sorted, percent));
    println!("cluster: {what}: n {} p50 {p50:?} p99 {p99:?} max {:?}", sorted.len(), sorted.last().unwrap());
}

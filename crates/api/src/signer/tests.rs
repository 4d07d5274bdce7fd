use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use prometheus_client::registry::Registry;
use tokio::time::timeout;
use vidpass_token::{Algorithm, Claims, KeyId, SigningKey, UnixTime, UnverifiedToken};

use super::together::Together;
use super::*;
use crate::metrics::Made;

#[tokio::test]
async fn tokens_come_out_signed_by_their_own_keys() {
    let signer = Signer::start(Batching::Auto, &mut Registry::default());
    let keys = [Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa].map(key);
    let signed = (0..60).map(|number| {
        let (signer, key) = (signer.clone(), keys[number % 3].clone());
        tokio::spawn(async move {
            let token = unsigned(&key, number);
            let signed = if number % 2 == 0 { signer.sign(token).await } else { signer.sign_of_many(token).await };
            (key, number, signed.unwrap())
        })
    });
    for done in futures_util::future::join_all(signed).await {
        let (key, number, token) = done.unwrap();
        let claims = UnverifiedToken::parse(token.as_str()).unwrap().verify(key.public()).unwrap();
        assert_eq!(claims.video().as_str(), format!("v{number}"));
    }
}

#[tokio::test]
async fn what_would_wait_for_too_long_is_refused_and_many_only_wait() {
    let metrics = SignerMetrics::register(&mut Registry::default());
    let signer = Signer::without_threads(1, &metrics);
    let key = key(Algorithm::Rs256);
    let mut waiting: Vec<_> = (0..500)
        .map(|number| {
            let (signer, token) = (signer.clone(), unsigned(&key, number));
            tokio::spawn(async move { signer.sign(token).await })
        })
        .collect();
    until_waiting(&metrics, 500).await;
    assert_eq!(metrics.refused.get(), 0);
    assert_eq!(signer.require_room(), Err(SigningError::Overloaded));
    assert_eq!(signer.sign(unsigned(&key, 0)).await.err(), Some(SigningError::Overloaded));
    assert_eq!(metrics.refused.get(), 2);

    let many: Vec<_> = (0..MANY_AT_ONCE + 5)
        .map(|number| {
            let (signer, token) = (signer.clone(), unsigned(&key, number));
            tokio::spawn(async move { signer.sign_of_many(token).await })
        })
        .collect();
    let in_queue = 500 + i64::try_from(MANY_AT_ONCE).unwrap();
    until_waiting(&metrics, in_queue).await;
    settle().await;
    assert_eq!(metrics.waiting.get(), in_queue, "five wait for a turn");

    // Whoever hangs up is not signed for.
    let last = waiting.pop().unwrap();
    waiting.iter().for_each(tokio::task::JoinHandle::abort);
    settle().await;
    let (queue, worker_metrics) = (Arc::clone(&signer.0.queue), metrics.clone());
    let runtime = Handle::current();
    let thread = thread::spawn(move || worker::run(&queue, None, &worker_metrics, &runtime));
    assert!(last.await.unwrap().is_ok());
    for done in many {
        assert!(done.await.unwrap().is_ok());
    }
    let signatures = metrics.signatures(Made::Single);
    assert!(signatures < 100, "{signatures} were made");
    assert_eq!(signer.require_room(), Ok(()));
    drop(signer);
    let ended = tokio::task::spawn_blocking(move || thread.join());
    timeout(Duration::from_secs(30), ended).await.unwrap().unwrap().unwrap();
}

/// Signs as the lanes do, with a fault in one of them.
pub(super) struct Pretended {
    faulty: Option<usize>,
    /// How many were signed together, each time.
    sizes: std::sync::Mutex<Vec<usize>>,
}

impl Pretended {
    pub(super) fn sign(&self, tokens: &[&UnsignedToken]) -> Vec<Option<Vec<u8>>> {
        self.sizes.lock().unwrap().push(tokens.len());
        let signature = |token: &UnsignedToken| {
            let token = token.clone().sign().unwrap();
            BASE64URL.decode(token.as_str().rsplit_once('.').unwrap().1).unwrap()
        };
        let lane = |(lane, token): (usize, &&_)| (self.faulty != Some(lane)).then(|| signature(token));
        tokens.iter().enumerate().map(lane).collect()
    }
}

#[tokio::test]
async fn what_waits_is_signed_together_by_size_and_what_goes_wrong_again() {
    let metrics = SignerMetrics::register(&mut Registry::default());
    let signer = Signer::without_threads(1, &metrics);
    let (rsa, other) = (key(Algorithm::Rs256), key(Algorithm::Rs256));
    let keys = [vec![&rsa; 5], vec![&other; 4], vec![&rsa; 2]].concat();
    let mut waiting = Vec::new();
    for (number, key) in keys.iter().enumerate() {
        let (signer, token) = (signer.clone(), unsigned(key, number));
        waiting.push(tokio::spawn(async move { signer.sign(token).await }));
        until_waiting(&metrics, i64::try_from(number).unwrap() + 1).await;
    }
    let pretended = Arc::new(Together::Pretended(Pretended { faulty: Some(6), sizes: Default::default() }));
    let (queue, together, of_worker) = (Arc::clone(&signer.0.queue), Arc::clone(&pretended), metrics.clone());
    let runtime = Handle::current();
    let thread = thread::spawn(move || worker::run(&queue, Some(&together), &of_worker, &runtime));
    for (number, (waiting, key)) in waiting.into_iter().zip(keys).enumerate() {
        let token = waiting.await.unwrap().unwrap();
        let claims = UnverifiedToken::parse(token.as_str()).unwrap().verify(key.public()).unwrap();
        assert_eq!(claims.video().as_str(), format!("v{number}"));
    }
    drop(signer);
    thread.join().unwrap();
    let Together::Pretended(Pretended { sizes, .. }) = &*pretended else { unreachable!() };
    assert_eq!(*sizes.lock().unwrap(), [8, 3]);
    let made = [metrics.signatures(Made::Batched), metrics.signatures(Made::Single), metrics.repeated.get()];
    assert_eq!(made, [10, 1, 1]);
}

#[tokio::test]
async fn what_is_quick_waits_for_no_thread() {
    let metrics = SignerMetrics::register(&mut Registry::default());
    let signer = Signer::without_threads(1, &metrics);
    for key in [Algorithm::Es256, Algorithm::EdDsa].map(key) {
        for token in [signer.sign(unsigned(&key, 1)).await, signer.sign_of_many(unsigned(&key, 1)).await] {
            UnverifiedToken::parse(token.unwrap().as_str()).unwrap().verify(key.public()).unwrap();
        }
    }
    assert_eq!((metrics.signatures(Made::Single), metrics.waiting.get()), (4, 0));
}

#[tokio::test]
async fn two_are_signed_one_by_one() {
    let metrics = SignerMetrics::register(&mut Registry::default());
    let signer = Signer::without_threads(1, &metrics);
    let rsa = key(Algorithm::Rs256);
    let waiting: Vec<_> = (0..2)
        .map(|number| {
            let (signer, token) = (signer.clone(), unsigned(&rsa, number));
            tokio::spawn(async move { signer.sign(token).await })
        })
        .collect();
    until_waiting(&metrics, 2).await;
    let (queue, of_worker) = (Arc::clone(&signer.0.queue), metrics.clone());
    let pretended = Together::Pretended(Pretended { faulty: None, sizes: Default::default() });
    let runtime = Handle::current();
    let thread = thread::spawn(move || worker::run(&queue, Some(&pretended), &of_worker, &runtime));
    for waiting in waiting {
        waiting.await.unwrap().unwrap();
    }
    drop(signer);
    thread.join().unwrap();
    assert_eq!([metrics.signatures(Made::Batched), metrics.signatures(Made::Single)], [0, 2]);
}

#[test]
fn the_path_says_why_it_is_taken() {
    let path = SigningPath::find(Batching::Off).to_string();
    assert_eq!(path, "RSA tokens are signed one by one: signing.batch is off");
    let path = SigningPath::OneByOne(vidpass_rsa_batch::Unavailable::Cpu.into()).to_string();
    assert!(path.contains("AVX-512 IFMA"), "{path}");
    let found = SigningPath::find(Batching::Auto);
    assert!(matches!(found, SigningPath::EightAtOnce(_) | SigningPath::OneByOne(WhyAlone::Unavailable(_))));
}

fn key(algorithm: Algorithm) -> SigningKey {
    SigningKey::generate(algorithm, KeyId::random()).unwrap()
}

fn unsigned(key: &SigningKey, number: usize) -> UnsignedToken {
    let video = format!("v{number}").parse().unwrap();
    key.prepare(&Claims::new(video, UnixTime(1_800_000_000))).unwrap()
}

async fn until_waiting(metrics: &SignerMetrics, count: i64) {
    while metrics.waiting.get() != count {
        tokio::task::yield_now().await;
    }
}

/// Lets every task run that can.
async fn settle() {
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
}

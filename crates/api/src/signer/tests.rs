use std::time::Duration;

use prometheus_client::registry::Registry;
use tokio::time::timeout;
use vidpass_token::{Algorithm, Claims, KeyId, SigningKey, UnixTime, UnverifiedToken};

use super::*;
use crate::metrics::SigningPath;

#[tokio::test]
async fn tokens_come_out_signed_by_their_own_keys() {
    let signer = Signer::start(&mut Registry::default());
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
    let key = key(Algorithm::EdDsa);
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
    let thread = thread::spawn(move || worker::run(&queue, &worker_metrics));
    assert!(last.await.unwrap().is_ok());
    for done in many {
        assert!(done.await.unwrap().is_ok());
    }
    let signatures = metrics.signatures(SigningPath::Single);
    assert!(signatures < 100, "{signatures} were made");
    assert_eq!(signer.require_room(), Ok(()));
    drop(signer);
    let ended = tokio::task::spawn_blocking(move || thread.join());
    timeout(Duration::from_secs(30), ended).await.unwrap().unwrap().unwrap();
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

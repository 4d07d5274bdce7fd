//! Killed without warning, nothing that was acknowledged is lost.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use crate::support::{Demo, client};

#[tokio::test]
async fn every_acknowledged_key_survives_a_kill() {
    let mut demo = Demo::start("crash-0");
    let mut acknowledged = BTreeSet::new();
    for round in 1..=10 {
        let (created, pending) = create_until_killed(&demo).await;
        acknowledged.extend(created);
        demo = demo.kill_and_restart(&format!("crash-{round}"));
        let (status, answer) = demo.api("GET", "stream/keys", None).await;
        assert_eq!(status, 200);
        let listed: BTreeSet<String> =
            answer["result"].as_array().unwrap().iter().map(|key| key["id"].as_str().unwrap().to_owned()).collect();
        assert!(listed.is_superset(&acknowledged), "lost: {:?}", acknowledged.difference(&listed).collect::<Vec<_>>());
        // A key whose answer was on its way when the process died may be there, whole; no more than those.
        assert!(
            listed.len() <= acknowledged.len() + pending,
            "{} keys from nowhere",
            listed.len() - acknowledged.len()
        );
        acknowledged = listed;
        // The gate knows the same keys as the list, and the database still takes new ones.
        let key = demo.create_key().await;
        let token = key.signing.sign(&demo.claims()).unwrap();
        assert_eq!(demo.outcome(token.as_str(), "manifest/video.m3u8", &[]).await, "200");
        acknowledged.insert(key.id);
    }
}

/// Creates keys on four connections, kills the server after some, and gives the ids that were acknowledged and how
/// many requests were unanswered at most.
async fn create_until_killed(demo: &Demo) -> (BTreeSet<String>, usize) {
    const CALLERS: usize = 4;
    const BEFORE_THE_KILL: usize = 10;
    let url = format!("{}/client/v4/accounts/{}/stream/keys", demo.url, demo.account);
    let acknowledged = Arc::new(AtomicUsize::new(0));
    let callers: Vec<_> = (0..CALLERS)
        .map(|_| {
            let (url, secret, acknowledged) = (url.clone(), demo.api_token.clone(), acknowledged.clone());
            tokio::spawn(async move {
                let http = client();
                let mut created = BTreeSet::new();
                loop {
                    let Ok(response) = http.post(&url).bearer_auth(&secret).json(&json!({})).send().await else {
                        break;
                    };
                    let Ok(answer) = response.json::<serde_json::Value>().await else { break };
                    created.insert(answer["result"]["id"].as_str().unwrap().to_owned());
                    acknowledged.fetch_add(1, Ordering::Relaxed);
                }
                created
            })
        })
        .collect();
    while acknowledged.load(Ordering::Relaxed) < BEFORE_THE_KILL {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    demo.process.signal("KILL");
    let mut all = BTreeSet::new();
    for caller in callers {
        all.extend(caller.await.unwrap());
    }
    (all, CALLERS)
}

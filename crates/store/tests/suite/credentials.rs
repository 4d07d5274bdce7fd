//! Credentials of the API's callers.

use std::time::Duration;

use tokio::time::timeout;
use vidpass_store::{ApiSecret, Caller, CredentialKind, NewCredential, NewVideo, Presented, Store, Video};
use vidpass_token::{AccountId, UnixTime};

use crate::home::{Home, NOW, on_both_engines};

async fn an_api_token_says_who_calls(home: Home) {
    let (store, ours, theirs) = home.with_accounts().await;
    let made = store.create_api_token(&ours, "ci", NOW).await.unwrap();
    let foreign = store.create_api_token(&theirs, "ci", NOW).await.unwrap();
    let text = made.secret.expose();
    assert!(text.starts_with(&format!("vpt_{}_", made.id)) && text.len() == 64, "{}", text.len());

    let caller = token(&store, text).await.unwrap();
    let expected =
        Caller { credential_id: made.id.clone(), kind: CredentialKind::ApiToken, account: ours, name: "ci".into() };
    assert_eq!(caller, expected);
    assert_eq!(token(&store, foreign.secret.expose()).await.unwrap().account, theirs);

    // One token's id with another's secret, a cut, an addition, an unknown id, nothing, an id alone.
    let (_, secret) = foreign.secret.expose().split_at(20);
    for wrong in [
        format!("vpt_{}{secret}", made.id),
        text[..63].to_owned(),
        format!("{text} "),
        text.replace(made.id.as_str(), "0123456789abcdef"),
        String::new(),
        format!("vpt_{}_", made.id),
        format!("vpt_{}_\0", made.id),
        "\0".into(),
    ] {
        assert_eq!(token(&store, &wrong).await, None, "{}", wrong.len());
    }
}

async fn an_api_key_goes_with_its_email(home: Home) {
    let (store, ours, theirs) = home.with_accounts().await;
    let made = store.create_api_key(&ours, "Dev@Example.com", None, NOW).await.unwrap();
    let imported: ApiSecret = "144c9defac04969c7bfad8efaa8ea194".parse().unwrap();
    store.create_api_key(&theirs, "dev@example.com", Some(imported), NOW).await.unwrap();

    assert!(made.secret.expose().len() >= 37);
    let caller = key(&store, "dev@EXAMPLE.com", made.secret.expose()).await.unwrap();
    assert_eq!((caller.account, caller.kind), (ours, CredentialKind::ApiKey));
    let caller = key(&store, "dev@example.com", "144c9defac04969c7bfad8efaa8ea194").await.unwrap();
    assert_eq!(caller.account, theirs);
    assert_eq!(key(&store, "other@example.com", made.secret.expose()).await, None);
    assert_eq!(key(&store, "dev@example.com", "144c9defac04969c7bfad8efaa8ea195").await, None);
    assert_eq!(key(&store, "dev@example.com", "").await, None);
    assert_eq!(key(&store, "dev@example.com\0", "").await, None);
    // Neither kind passes for the other.
    assert_eq!(token(&store, made.secret.expose()).await, None);
}

async fn the_last_use_is_written_once_a_minute(home: Home) {
    let (store, ours, _) = home.with_accounts().await;
    let made = store.create_api_token(&ours, "ci", NOW).await.unwrap();
    assert_eq!(last_used(&store, &ours).await, None);
    for (seconds, written) in [(0, 0), (59, 0), (60, 60), (61, 60), (3600, 3600), (3000, 3600)] {
        let presented = Presented::ApiToken(made.secret.expose());
        // It is noted after the answer; what was presented while a note was under way is not noted at all.
        let noted = async {
            loop {
                store.authenticate(&presented, UnixTime(NOW.0 + seconds)).await.unwrap().unwrap();
                if last_used(&store, &ours).await == Some(UnixTime(NOW.0 + written)) {
                    return;
                }
            }
        };
        timeout(Duration::from_secs(5), noted).await.unwrap_or_else(|_| panic!("{seconds}"));
    }
    let NewCredential { id, .. } = made;
    let wrong = format!("vpt_{id}_{}", "A".repeat(43));
    store.authenticate(&Presented::ApiToken(&wrong), UnixTime(NOW.0 + 9999)).await.unwrap();
    assert_eq!(last_used(&store, &ours).await, Some(UnixTime(NOW.0 + 3600)));
}

async fn a_caller_does_not_wait_for_a_writer(home: Home) {
    let (store, ours, _) = home.with_accounts().await;
    let made = store.create_api_token(&ours, "ci", NOW).await.unwrap();
    let film = store.register_video(&ours, NewVideo::private(None), NOW).await.unwrap();
    let (started, starts) = tokio::sync::oneshot::channel();
    let (finish, finishes) = std::sync::mpsc::channel();
    let writer = tokio::spawn({
        let (store, ours) = (store.clone(), ours.clone());
        async move {
            let hold = move |_: &mut Video| {
                started.send(()).unwrap();
                tokio::task::block_in_place(|| finishes.recv().unwrap());
            };
            store.update_video(&ours, &film.uid, NOW, hold).await.unwrap().unwrap();
        }
    });
    starts.await.unwrap();
    let caller = timeout(Duration::from_secs(1), token(&store, made.secret.expose())).await;
    finish.send(()).unwrap();
    writer.await.unwrap();
    assert_eq!(caller.expect("a writer is at work").unwrap().account, ours);
    let noted = async { while last_used(&store, &ours).await != Some(NOW) {} };
    timeout(Duration::from_secs(5), noted).await.expect("it is noted when the writer is done");
}

async fn credentials_are_listed_without_their_secrets_and_deleted_by_their_account(home: Home) {
    let (store, ours, theirs) = home.with_accounts().await;
    let made = store.create_api_token(&ours, "ci", NOW).await.unwrap();
    let later = UnixTime(NOW.0 + 1);
    store.create_api_key(&ours, "Dev@Example.com", None, later).await.unwrap();

    let listed = store.list_credentials(&ours).await.unwrap();
    let shown: Vec<_> =
        listed.iter().map(|one| (one.kind, one.name.as_str(), one.email.as_deref(), one.created)).collect();
    let expected = [
        (CredentialKind::ApiToken, "ci", None, NOW),
        (CredentialKind::ApiKey, "Dev@Example.com", Some("dev@example.com"), later),
    ];
    assert_eq!(shown, expected);
    assert!(store.list_credentials(&theirs).await.unwrap().is_empty());

    assert!(!store.delete_credential(&theirs, &made.id).await.unwrap());
    assert!(token(&store, made.secret.expose()).await.is_some());
    assert!(store.delete_credential(&ours, &made.id).await.unwrap());
    assert!(!store.delete_credential(&ours, &made.id).await.unwrap());
    assert_eq!(token(&store, made.secret.expose()).await, None);
}

async fn no_debug_output_shows_a_secret(home: Home) {
    let (store, ours, _) = home.with_accounts().await;
    let made = store.create_api_token(&ours, "ci", NOW).await.unwrap();
    let text = made.secret.expose();
    let presented = (Presented::ApiToken(text), Presented::ApiKey { email: "a@b.c", key: text });
    let shown = format!("{made:?} {presented:?} {store:?} {:?}", home.master_key);
    assert!(!shown.contains(&text[21..]) && !shown.contains(home.master_key.to_base64().as_str()));
}

async fn token(store: &Store, text: &str) -> Option<Caller> {
    store.authenticate(&Presented::ApiToken(text), NOW).await.unwrap()
}

async fn key(store: &Store, email: &str, key: &str) -> Option<Caller> {
    store.authenticate(&Presented::ApiKey { email, key }, NOW).await.unwrap()
}

async fn last_used(store: &Store, account: &AccountId) -> Option<UnixTime> {
    store.list_credentials(account).await.unwrap().first().unwrap().last_used
}

async fn a_gate_credential_is_a_gates_alone(home: Home) {
    let (store, ours, _) = home.with_accounts().await;
    let (made, secret) = store.create_gate_credential("edge", NOW).await.unwrap();
    let token = store.create_api_token(&ours, "ci", NOW).await.unwrap();
    assert!(secret.expose().starts_with("vpg_") && secret.expose().len() == 64);
    assert_eq!(store.authenticate_gate(secret.expose()).await.unwrap().as_ref(), Some(&made.id));
    assert_eq!(store.authenticate(&Presented::ApiToken(secret.expose()), NOW).await.unwrap(), None);
    let renamed = token.secret.expose().replace("vpt_", "vpg_");
    let longer = format!("{}x", secret.expose());
    for text in [token.secret.expose(), &renamed, &longer, made.id.as_str(), "vpg_", "", "vpg_\0_"] {
        assert_eq!(store.authenticate_gate(text).await.unwrap(), None, "{text}");
    }
    let backup = home.backup();
    let kept = |text: &str| backup.windows(text.len()).any(|part| part == text.as_bytes());
    assert!(!kept(&secret.expose()[21..]));
    assert_eq!(store.list_gate_credentials().await.unwrap(), std::slice::from_ref(&made));
    assert!(store.delete_gate_credential(&made.id).await.unwrap());
    assert!(!store.delete_gate_credential(&made.id).await.unwrap());
    assert_eq!(store.authenticate_gate(secret.expose()).await.unwrap(), None);
}

on_both_engines!(
    a_gate_credential_is_a_gates_alone,
    an_api_token_says_who_calls,
    an_api_key_goes_with_its_email,
    the_last_use_is_written_once_a_minute,
    a_caller_does_not_wait_for_a_writer,
    credentials_are_listed_without_their_secrets_and_deleted_by_their_account,
    no_debug_output_shows_a_secret,
);

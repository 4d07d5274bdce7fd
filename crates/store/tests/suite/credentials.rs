//! Credentials of the API's callers.

use std::time::Duration;

use tokio::time::timeout;
use vidpass_store::{
    ApiSecret, Caller, CredentialKind, NewApiToken, NewCredential, NewVideo, Presented, Refused, Rotated, Scope,
    Scopes, Store, StoreError, Video,
};
use vidpass_token::{AccountId, UnixTime};

use crate::home::{Home, NOW, on_both_engines};

async fn an_api_token_says_who_calls(home: Home) {
    let (store, ours, theirs) = home.with_accounts().await;
    let made = store.create_api_token(&ours, &NewApiToken::unlimited("ci"), NOW).await.unwrap();
    let foreign = store.create_api_token(&theirs, &NewApiToken::unlimited("ci"), NOW).await.unwrap();
    let text = made.secret.expose();
    assert!(text.starts_with(&format!("vpt_{}_", made.id)) && text.len() == 64, "{}", text.len());

    let caller = token(&store, text).await.unwrap();
    let expected = Caller {
        credential_id: made.id.clone(),
        kind: CredentialKind::ApiToken,
        account: ours,
        name: "ci".into(),
        scopes: Scopes::All,
        expires: None,
    };
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
    let made = store.create_api_token(&ours, &NewApiToken::unlimited("ci"), NOW).await.unwrap();
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
    let refused = store.authenticate(&Presented::ApiToken(&wrong), UnixTime(NOW.0 + 9999)).await.unwrap();
    assert_eq!(refused, Err(Refused::Unknown));
    assert_eq!(last_used(&store, &ours).await, Some(UnixTime(NOW.0 + 3600)));
}

async fn a_caller_does_not_wait_for_a_writer(home: Home) {
    let (store, ours, _) = home.with_accounts().await;
    let made = store.create_api_token(&ours, &NewApiToken::unlimited("ci"), NOW).await.unwrap();
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
    let made = store.create_api_token(&ours, &NewApiToken::unlimited("ci"), NOW).await.unwrap();
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

    assert!(!store.delete_credential(&theirs, &made.id, NOW).await.unwrap());
    assert!(token(&store, made.secret.expose()).await.is_some());
    assert!(store.delete_credential(&ours, &made.id, NOW).await.unwrap());
    assert!(!store.delete_credential(&ours, &made.id, NOW).await.unwrap());
    assert_eq!(token(&store, made.secret.expose()).await, None);
}

async fn an_api_token_ends_and_has_its_scopes(home: Home) {
    let (store, ours, _) = home.with_accounts().await;
    let scopes = Scopes::Only([Scope::KeysRead, Scope::TokensIssue].into());
    let expires = UnixTime(NOW.0 + 60);
    let new = NewApiToken { name: "ci".into(), scopes: scopes.clone(), expires: Some(expires) };
    let made = store.create_api_token(&ours, &new, NOW).await.unwrap();
    let at = async |seconds, secret: &str| {
        store.authenticate(&Presented::ApiToken(secret), UnixTime(NOW.0 + seconds)).await.unwrap()
    };
    let caller = at(59, made.secret.expose()).await.unwrap();
    assert_eq!((caller.scopes, caller.expires), (scopes.clone(), Some(expires)));
    assert_eq!(at(60, made.secret.expose()).await, Err(Refused::Expired(expires)));
    // Who does not have its secret is not told.
    let wrong = format!("vpt_{}_{}", made.id, "A".repeat(43));
    assert_eq!(at(60, &wrong).await, Err(Refused::Unknown));
    let listed = store.list_credentials(&ours).await.unwrap();
    assert_eq!((&listed[0].scopes, listed[0].expires), (&scopes, Some(expires)));

    // What this program does not know is not guessed at.
    assert_eq!(home.tamper("UPDATE credential SET scopes = 'keys:read keys:erase'").await, 1);
    let error = store.authenticate(&Presented::ApiToken(made.secret.expose()), NOW).await.unwrap_err();
    assert!(matches!(error, StoreError::Inconsistent { column: "scopes", .. }), "{error}");
}

async fn a_rotated_api_token_ends_and_its_successor_is_alike(home: Home) {
    let (store, ours, theirs) = home.with_accounts().await;
    let day = Duration::from_secs(86_400);
    let scopes = Scopes::Only([Scope::KeysRead].into());
    // How old it is, when it ends, and the overlap; when it ends then, and its successor.
    for (age, lifetime, overlap, old_expires, new_expires) in [
        (100, None, day, 100 + 86_400, None),
        (100, None, Duration::ZERO, 100, None),
        (100, Some(1000), day, 1000, Some(100 + 1000)),
        (100, Some(1000), Duration::from_secs(5), 105, Some(100 + 1000)),
        (2000, Some(1000), day, 1000, Some(2000 + 1000)),
    ] {
        let case = format!("{age} {lifetime:?} {overlap:?}");
        let from_now = |seconds: i64| UnixTime(NOW.0 + seconds);
        let new = NewApiToken { name: "ci".into(), scopes: scopes.clone(), expires: lifetime.map(from_now) };
        let old = store.create_api_token(&ours, &new, NOW).await.unwrap();
        let Rotated { new, .. } =
            store.rotate_api_token(&ours, &old.id, overlap, from_now(age)).await.unwrap().expect(&case);
        let listed = store.list_credentials(&ours).await.unwrap();
        let find = |id| listed.iter().find(|one| one.id == id).unwrap();
        let shown = find(old.id.clone());
        assert_eq!((shown.expires, &shown.replaced_by), (Some(from_now(old_expires)), &Some(new.id.clone())), "{case}");
        let shown = find(new.id.clone());
        assert_eq!((shown.expires, &shown.replaced_by), (new_expires.map(from_now), &None), "{case}");
        assert_eq!((&*shown.name, &shown.scopes, shown.created), ("ci", &scopes, from_now(age)), "{case}");
        for (seconds, works) in [(old_expires - 1, true), (old_expires, false)] {
            let presented = Presented::ApiToken(old.secret.expose());
            let caller = store.authenticate(&presented, from_now(seconds)).await.unwrap();
            assert_eq!(caller.is_ok(), works, "{case}");
        }
        let again = store.rotate_api_token(&ours, &old.id, overlap, from_now(age)).await.unwrap_err();
        assert!(matches!(again, StoreError::AlreadyRotated { successor, .. } if successor == new.id), "{case}");
        store.rotate_api_token(&ours, &new.id, overlap, from_now(age)).await.unwrap().expect(&case);
        assert!(store.rotate_api_token(&theirs, &new.id, overlap, NOW).await.unwrap().is_none(), "{case}");
    }
    let key = store.create_api_key(&ours, "a@b.c", None, NOW).await.unwrap();
    assert!(store.rotate_api_token(&ours, &key.id, day, NOW).await.unwrap().is_none(), "an API key is none");
}

async fn no_debug_output_shows_a_secret(home: Home) {
    let (store, ours, _) = home.with_accounts().await;
    let made = store.create_api_token(&ours, &NewApiToken::unlimited("ci"), NOW).await.unwrap();
    let text = made.secret.expose();
    let presented = (Presented::ApiToken(text), Presented::ApiKey { email: "a@b.c", key: text });
    let shown = format!("{made:?} {presented:?} {store:?} {:?}", home.master_key);
    assert!(!shown.contains(&text[21..]) && !shown.contains(home.master_key.to_base64().as_str()));
}

async fn token(store: &Store, text: &str) -> Option<Caller> {
    store.authenticate(&Presented::ApiToken(text), NOW).await.unwrap().ok()
}

async fn key(store: &Store, email: &str, key: &str) -> Option<Caller> {
    store.authenticate(&Presented::ApiKey { email, key }, NOW).await.unwrap().ok()
}

async fn last_used(store: &Store, account: &AccountId) -> Option<UnixTime> {
    store.list_credentials(account).await.unwrap().first().unwrap().last_used
}

async fn a_gate_credential_is_a_gates_alone(home: Home) {
    let (store, ours, _) = home.with_accounts().await;
    let (made, secret) = store.create_gate_credential("edge", NOW).await.unwrap();
    let token = store.create_api_token(&ours, &NewApiToken::unlimited("ci"), NOW).await.unwrap();
    assert!(secret.expose().starts_with("vpg_") && secret.expose().len() == 64);
    assert_eq!(store.authenticate_gate(secret.expose()).await.unwrap().as_ref(), Some(&made.id));
    let presented = Presented::ApiToken(secret.expose());
    assert_eq!(store.authenticate(&presented, NOW).await.unwrap(), Err(Refused::Unknown));
    let renamed = token.secret.expose().replace("vpt_", "vpg_");
    let longer = format!("{}x", secret.expose());
    for text in [token.secret.expose(), &renamed, &longer, made.id.as_str(), "vpg_", "", "vpg_\0_"] {
        assert_eq!(store.authenticate_gate(text).await.unwrap(), None, "{text}");
    }
    let backup = home.backup();
    let kept = |text: &str| backup.windows(text.len()).any(|part| part == text.as_bytes());
    assert!(!kept(&secret.expose()[21..]));
    assert_eq!(store.list_gate_credentials().await.unwrap(), std::slice::from_ref(&made));
    assert!(store.delete_gate_credential(&made.id, NOW).await.unwrap());
    assert!(!store.delete_gate_credential(&made.id, NOW).await.unwrap());
    assert_eq!(store.authenticate_gate(secret.expose()).await.unwrap(), None);
}

on_both_engines!(
    a_gate_credential_is_a_gates_alone,
    an_api_token_says_who_calls,
    an_api_key_goes_with_its_email,
    the_last_use_is_written_once_a_minute,
    a_caller_does_not_wait_for_a_writer,
    credentials_are_listed_without_their_secrets_and_deleted_by_their_account,
    an_api_token_ends_and_has_its_scopes,
    a_rotated_api_token_ends_and_its_successor_is_alike,
    no_debug_output_shows_a_secret,
);

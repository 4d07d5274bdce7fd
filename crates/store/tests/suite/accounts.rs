//! Accounts.

use vidpass_store::{Deletion, NewAccount, NewApiToken, NewVideo, Presented, Refused, StoreError};
use vidpass_token::AccountId;

use crate::home::{Home, KEY, NOW, id, on_both_engines};

async fn an_account_is_found_as_it_was_made(home: Home) {
    let store = home.store().await;
    let named = NewAccount { id: Some(id("acme")), name: "Acme — 映画".into() };
    let acme = store.create_account(&named, NOW).await.unwrap();
    let other = store.create_account(&NewAccount::default(), NOW).await.unwrap();
    assert_eq!((acme.id.as_str(), acme.name.as_str(), acme.created), ("acme", "Acme — 映画", NOW));
    assert_eq!(other.id.as_str().len(), 32);
    assert_eq!(store.account(&acme.id).await.unwrap().as_ref(), Some(&acme));
    assert_eq!(store.account(&id("nobody")).await.unwrap(), None);
    let mut listed = store.list_accounts().await.unwrap();
    listed.sort_by_key(|account| account.name.is_empty());
    assert_eq!(listed, [acme, other]);
}

async fn an_id_is_never_given_out_again(home: Home) {
    let (store, ours, _) = home.with_accounts().await;
    let again = NewAccount { id: Some(ours.clone()), name: String::new() };
    let taken = |error| matches!(error, StoreError::AccountIdTaken { id } if id == ours);
    assert!(taken(store.create_account(&again, NOW).await.unwrap_err()));
    assert_eq!(store.delete_account(&ours, NOW).await.unwrap(), Deletion::Deleted);
    assert_eq!(store.delete_account(&ours, NOW).await.unwrap(), Deletion::AlreadyDeleted);
    assert_eq!(store.delete_account(&id("nobody"), NOW).await.unwrap(), Deletion::Unknown);
    assert!(taken(store.create_account(&again, NOW).await.unwrap_err()));
    assert_eq!(store.account(&ours).await.unwrap(), None);
    assert_eq!(store.list_accounts().await.unwrap().len(), 1);
}

async fn an_account_that_owns_something_is_not_deleted(home: Home) {
    let (store, ours, _) = home.with_accounts().await;
    store.add_signing_key(&ours, KEY.public(), id("k"), NOW).await.unwrap();
    let video = store.register_video(&ours, NewVideo::private(None), NOW).await.unwrap();
    let error = store.delete_account(&ours, NOW).await.unwrap_err();
    assert_eq!(error.to_string(), "account `ours` still has 1 signing keys and 1 videos");
    store.delete_signing_key(&ours, &id("k"), NOW).await.unwrap();
    store.delete_video(&ours, &video.uid, NOW).await.unwrap();
    assert_eq!(store.delete_account(&ours, NOW).await.unwrap(), Deletion::Deleted);
}

async fn a_deleted_account_takes_its_credentials_and_managed_key_along(home: Home) {
    let (store, ours, _) = home.with_accounts().await;
    let token = store.create_api_token(&ours, &NewApiToken::unlimited("ci"), NOW).await.unwrap();
    store.add_managed_key(&ours, &KEY, NOW).await.unwrap();
    store.delete_account(&ours, NOW).await.unwrap();
    let presented = Presented::ApiToken(token.secret.expose());
    assert_eq!(store.authenticate(&presented, NOW).await.unwrap(), Err(Refused::Unknown));
    assert_eq!(store.managed_key(&ours, home.learnt()).await.unwrap(), None);
    assert!(store.snapshot().await.unwrap().keys.is_empty());
}

async fn nothing_is_made_for_an_account_that_is_not_there(home: Home) {
    let (store, ours, _) = home.with_accounts().await;
    store.delete_account(&ours, NOW).await.unwrap();
    for account in [ours, id::<AccountId>("nobody")] {
        let unknown = |error| matches!(error, StoreError::AccountUnknown { id } if id == account);
        assert!(unknown(store.create_api_token(&account, &NewApiToken::unlimited("ci"), NOW).await.unwrap_err()));
        assert!(unknown(store.create_api_key(&account, "a@b.c", None, NOW).await.unwrap_err()));
        assert!(unknown(store.add_signing_key(&account, KEY.public(), id("k"), NOW).await.unwrap_err()));
        assert!(unknown(store.add_managed_key(&account, &KEY, NOW).await.unwrap_err()));
        assert!(unknown(store.register_video(&account, NewVideo::private(None), NOW).await.unwrap_err()));
    }
    let changes = store.changes_since(vidpass_store::Cursor::START).await.unwrap();
    let subjects: Vec<_> = changes.into_iter().map(|change| change.subject).collect();
    assert_eq!(subjects, [vidpass_store::Subject::Account(id("ours"), None)], "the deletion alone");
}

async fn a_text_that_one_engine_cannot_hold_is_refused_on_both(home: Home) {
    let (store, ours, _) = home.with_accounts().await;
    let account = NewAccount { id: None, name: "a\0b".into() };
    let nul = |error| matches!(error, StoreError::NulInText { .. });
    assert!(nul(store.create_account(&account, NOW).await.unwrap_err()));
    assert!(nul(store.create_api_token(&ours, &NewApiToken::unlimited("a\0b"), NOW).await.unwrap_err()));
    let video = NewVideo { creator: Some("a\0b".into()), ..NewVideo::private(None) };
    assert!(nul(store.register_video(&ours, video, NOW).await.unwrap_err()));
}

on_both_engines!(
    an_account_is_found_as_it_was_made,
    an_id_is_never_given_out_again,
    an_account_that_owns_something_is_not_deleted,
    a_deleted_account_takes_its_credentials_and_managed_key_along,
    nothing_is_made_for_an_account_that_is_not_there,
    a_text_that_one_engine_cannot_hold_is_refused_on_both,
);

//! Tokens that are taken back.

use vidpass_store::{Cursor, Deletion, MAX_REVOCATIONS_OF_SUBJECT, NewRevocation, StoreError, Subject};
use vidpass_token::{
    AccountId, Claims, RevocationExtent, RevocationKind, RevokedSubject, SignedClaims, Standing, Taken, UnixTime,
    UnverifiedToken, ViewerVersion,
};

use crate::home::{Home, KEY, NOW, id, on_both_engines};

const ALL: RevocationExtent = RevocationExtent::All;

async fn each_kind_takes_its_tokens_back_and_no_others(home: Home) {
    let (store, ours, theirs) = home.with_accounts().await;
    let token = signed(|_| {});
    let other = signed(|claims| {
        claims.token_id = Some(id("j2"));
        claims.viewer = Some("bob".parse().unwrap());
        claims.video = id("v2");
    });
    for (subject, kind) in [
        (RevokedSubject::Token(token.digest()), RevocationKind::Token),
        (RevokedSubject::TokenId(id("j1")), RevocationKind::TokenId),
        (RevokedSubject::Viewer("alice".parse().unwrap()), RevocationKind::Viewer),
        (RevokedSubject::Video(id("v1")), RevocationKind::Video),
        (RevokedSubject::Key(KEY.id().clone()), RevocationKind::Key),
    ] {
        assert_eq!(store.standing(&ours, &token, NOW).await.unwrap(), Standing::Good);
        let made = store.revoke(&ours, &new(subject), NOW).await.unwrap();
        assert_eq!((made.kind, made.created), (kind, NOW));
        assert_eq!(store.standing(&ours, &token, NOW).await.unwrap(), Standing::Revoked(kind));
        let of_other = if kind == RevocationKind::Key { Standing::Revoked(kind) } else { Standing::Good };
        assert_eq!(store.standing(&ours, &other, NOW).await.unwrap(), of_other);
        assert_eq!(store.standing(&theirs, &token, NOW).await.unwrap(), Standing::Good, "another account's tokens");
        assert_eq!(store.list_revocations(&ours).await.unwrap(), std::slice::from_ref(&made));
        assert_eq!(store.list_revocations(&theirs).await.unwrap(), []);
        assert_eq!(store.delete_revocation(&theirs, &made.id, NOW).await.unwrap(), Deletion::Unknown);
        assert_eq!(store.delete_revocation(&ours, &made.id, NOW).await.unwrap(), Deletion::Deleted);
        assert_eq!(store.delete_revocation(&ours, &made.id, NOW).await.unwrap(), Deletion::Unknown);
    }
}

async fn each_stands_for_itself(home: Home) {
    let (store, ours, _) = home.with_accounts().await;
    let viewer = RevokedSubject::Viewer("alice".parse().unwrap());
    let versions = |latest| RevocationExtent::Versions(ViewerVersion(latest));
    let take = async |extent, until| {
        let new = NewRevocation { extent, until, ..new(viewer.clone()) };
        store.revoke(&ours, &new, NOW).await.unwrap()
    };
    let until = Some(UnixTime(NOW.0 + 60));
    let (first, mistake) = (take(versions(3), None).await, take(versions(7), until).await);
    assert_ne!(first.id, mistake.id);
    let token = |version| signed(|claims| claims.viewer_version = Some(ViewerVersion(version)));
    let revoked =
        async |version, now| store.standing(&ours, &token(version), UnixTime(now)).await.unwrap() != Standing::Good;
    assert!(revoked(3, NOW.0).await && revoked(7, NOW.0).await && !revoked(8, NOW.0).await);
    assert!(revoked(3, NOW.0 + 60).await && !revoked(7, NOW.0 + 60).await, "one is over");
    let both = store.snapshot().await.unwrap().revocations;
    let mut taken: Vec<_> = both[0].1.iter().map(|taken| (taken.extent == versions(3), taken.until)).collect();
    taken.sort_unstable();
    assert_eq!((both.len(), both[0].0, taken), (1, viewer.mark(&ours), vec![(false, until), (true, None)]));
    store.delete_revocation(&ours, &mistake.id, NOW).await.unwrap();
    assert!(revoked(3, NOW.0).await && !revoked(7, NOW.0).await, "deleting one leaves the other");
}

async fn gates_learn_of_each(home: Home) {
    let (store, ours, _) = home.with_accounts().await;
    let subject = RevokedSubject::Video(id("v1"));
    let before = |time| RevocationExtent::IssuedBefore(UnixTime(time));
    let made = store.revoke(&ours, &NewRevocation { extent: before(5), ..new(subject.clone()) }, NOW).await.unwrap();
    store.delete_revocation(&ours, &made.id, NOW).await.unwrap();
    store.revoke(&ours, &NewRevocation { extent: before(9), ..new(subject.clone()) }, NOW).await.unwrap();
    let changes: Vec<_> = store.changes_since(Cursor::START).await.unwrap();
    let taken = Taken { extent: before(9), until: None };
    let now = Subject::Revocation(subject.mark(&ours), [taken].into());
    assert_eq!(changes.into_iter().map(|change| change.subject).collect::<Vec<_>>(), [now.clone(), now.clone(), now]);
}

async fn what_is_over_goes(home: Home) {
    let (store, ours, _) = home.with_accounts().await;
    let until = |name: &str, seconds: Option<i64>| NewRevocation {
        until: seconds.map(|seconds| UnixTime(NOW.0 + seconds)),
        ..new(RevokedSubject::TokenId(name.parse().unwrap()))
    };
    for (name, end) in [("short", Some(10)), ("long", Some(100)), ("endless", None)] {
        store.revoke(&ours, &until(name, end), NOW).await.unwrap();
    }
    let week = 7 * 86_400;
    let far_ahead = UnixTime(NOW.0 + 1000 * week);
    store.revoke(&ours, &until("later", Some(2 * week)), far_ahead).await.unwrap();
    let left = async || store.list_revocations(&ours).await.unwrap().len();
    assert_eq!(left().await, 4, "whoever takes back clears nothing, whatever its clock says");
    assert_eq!(store.clear_revocations(UnixTime(NOW.0 + week + 10)).await.unwrap(), 0);
    assert_eq!(left().await, 4, "for a week after its end it stays: clocks differ");
    assert_eq!(store.clear_revocations(UnixTime(NOW.0 + week + 11)).await.unwrap(), 1);
    let mut left: Vec<_> = store.list_revocations(&ours).await.unwrap().into_iter().map(|one| one.subject).collect();
    left.sort_unstable();
    assert_eq!(left, ["endless", "later", "long"]);
    let gone = Subject::Revocation(RevokedSubject::TokenId(id("short")).mark(&ours), Box::default());
    let changes = store.changes_since(Cursor::START).await.unwrap();
    assert_eq!(changes.last().unwrap().subject, gone, "gates let it go too");
}

async fn one_subject_has_a_limit_of_its_own(home: Home) {
    let (store, ours, theirs) = home.with_accounts().await;
    let of = |name: &str| new(RevokedSubject::Viewer(name.parse().unwrap()));
    for _ in 0..MAX_REVOCATIONS_OF_SUBJECT {
        store.revoke(&ours, &of("alice"), NOW).await.unwrap();
    }
    let refused = store.revoke(&ours, &of("alice"), NOW).await;
    assert!(matches!(refused, Err(StoreError::TooManyRevocations)), "{refused:?}");
    store.revoke(&ours, &of("bob"), NOW).await.unwrap();
    store.revoke(&theirs, &of("alice"), NOW).await.unwrap();
}

async fn however_many_are_over_they_go(home: Home) {
    let (store, ours, _) = home.with_accounts().await;
    let revocation = NewRevocation { until: Some(NOW), ..new(RevokedSubject::TokenId(id("j1"))) };
    store.revoke(&ours, &revocation, NOW).await.unwrap();
    // Of one row the mark cannot be read.
    home.tamper(
        "INSERT INTO revocation (id, account_id, kind, subject, mark, reason, created, until)
         WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 250)
         SELECT 'many-' || i, account_id, kind, subject, CASE WHEN i = 1 THEN '?' ELSE mark END, '', created, until
         FROM revocation, n",
    )
    .await;
    assert_eq!(store.clear_revocations(UnixTime(NOW.0 + 8 * 86_400)).await.unwrap(), 251);
    assert_eq!(store.list_revocations(&ours).await.unwrap(), []);
}

async fn a_row_that_cannot_be_read_takes_back_too_much_and_not_too_little(home: Home) {
    let (store, ours, _) = home.with_accounts().await;
    let subject = RevokedSubject::Viewer("alice".parse().unwrap());
    let extent = RevocationExtent::Versions(ViewerVersion(7));
    store.revoke(&ours, &NewRevocation { extent, ..new(subject.clone()) }, NOW).await.unwrap();
    home.tamper("UPDATE revocation SET viewer_version = -1").await;
    let all = || Box::from([Taken { extent: ALL, until: None }]);
    assert_eq!(store.snapshot().await.unwrap().revocations, [(subject.mark(&ours), all())]);
    let change = store.changes_since(Cursor::START).await.unwrap().remove(0);
    assert_eq!(change.subject, Subject::Revocation(subject.mark(&ours), all()));
}

async fn an_account_that_is_not_there_takes_nothing_back(home: Home) {
    let (store, _, _) = home.with_accounts().await;
    let nobody: AccountId = id("nobody");
    let refused = store.revoke(&nobody, &new(RevokedSubject::TokenId(id("j1"))), NOW).await.unwrap_err();
    assert!(matches!(refused, StoreError::AccountUnknown { .. }), "{refused:?}");
}

fn new(subject: RevokedSubject) -> NewRevocation {
    NewRevocation { subject, extent: ALL, reason: "it leaked".to_owned(), until: None }
}

fn signed(change: impl FnOnce(&mut Claims)) -> SignedClaims {
    let mut claims = Claims {
        token_id: Some(id("j1")),
        viewer: Some("alice".parse().unwrap()),
        ..Claims::new(id("v1"), UnixTime(NOW.0 + 60))
    };
    change(&mut claims);
    let token = KEY.sign(&claims).unwrap();
    UnverifiedToken::parse(token.as_str()).unwrap().verify(KEY.public()).unwrap()
}

on_both_engines!(
    each_kind_takes_its_tokens_back_and_no_others,
    each_stands_for_itself,
    gates_learn_of_each,
    one_subject_has_a_limit_of_its_own,
    what_is_over_goes,
    however_many_are_over_they_go,
    a_row_that_cannot_be_read_takes_back_too_much_and_not_too_little,
    an_account_that_is_not_there_takes_nothing_back,
);

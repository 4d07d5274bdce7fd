//! The audit log: a line for each change, in the same transaction.

use std::time::Duration;

use serde_json::{Value, json};
use vidpass_store::{
    Actor, AuditEntry, AuditId, AuditQuery, Deletion, NewAccount, NewApiToken, NewRevocation, NewVideo, Occasion,
    Presented, Store, StoreError,
};
use vidpass_token::{Algorithm, RevocationExtent, RevokedSubject, SigningKey, UnixTime};

use crate::home::{Home, KEY, NOW, OTHER_KEY, id, on_both_engines};

async fn every_change_has_one_line(home: Home) {
    let store = home.store().await;
    let caller = Actor::Api {
        credential: id("0123456789abcdef"),
        address: Some("2001:db8::9".parse().unwrap()),
        request_id: "r1".into(),
    };
    let store = store.by(caller.clone());
    let ours = id("ours");
    let mut log = Log { store: store.clone(), actor: caller };

    let new = NewAccount { id: Some(id("ours")), name: "Ours".into() };
    store.create_account(&new, NOW).await.unwrap();
    log.check("account.create", "ours", json!({"name": "Ours"})).await;
    store.update_account(&ours, NOW, |account| account.policy.dry_run = true).await.unwrap();
    log.check("account.edit", "ours", json!({"changed": ["dry_run"]})).await;
    let every = Duration::from_secs(86_400).try_into().unwrap();
    store.update_account(&ours, NOW, |account| account.rotate_every = Some(every)).await.unwrap();
    log.check("account.edit", "ours", json!({"changed": ["rotate_every"]})).await;

    let token = store.create_api_token(&ours, &NewApiToken::unlimited("ci"), NOW).await.unwrap();
    log.check("api_token.create", token.id.as_str(), json!({"name": "ci", "scopes": null, "expires": null})).await;
    let rotated = store.rotate_api_token(&ours, &token.id, Duration::ZERO, NOW).await.unwrap().unwrap();
    let details = json!({"new": rotated.new.id.as_str(), "expires": NOW.0});
    log.check("api_token.rotate", token.id.as_str(), details).await;
    assert!(store.delete_credential(&ours, &token.id, NOW).await.unwrap());
    log.check("api_token.delete", token.id.as_str(), json!({"name": "ci"})).await;
    let key = store.create_api_key(&ours, "a@b.c", None, NOW).await.unwrap();
    log.check("api_key.create", key.id.as_str(), json!({"email": "a@b.c"})).await;
    assert!(store.delete_credential(&ours, &key.id, NOW).await.unwrap());
    log.check("api_key.delete", key.id.as_str(), json!({"name": "a@b.c"})).await;

    store.add_signing_key(&ours, OTHER_KEY.public(), OTHER_KEY.id().clone(), NOW).await.unwrap();
    log.check("key.create", "key-2", json!({"alg": "RS256"})).await;
    store.add_managed_key(&ours, &KEY, NOW).await.unwrap();
    log.check("key.create", "key-1", json!({"alg": "RS256", "managed": true})).await;
    store.delete_signing_key(&ours, KEY.id(), NOW).await.unwrap();
    log.check("key.delete", "key-1", json!({})).await;
    store.delete_signing_key(&ours, OTHER_KEY.id(), NOW).await.unwrap();
    log.check("key.delete", "key-2", json!({})).await;

    let [first, second] = ["key-3", "key-4"].map(|kid| SigningKey::generate(Algorithm::EdDsa, id(kid)).unwrap());
    let details = |signs_from: UnixTime| json!({"alg": "EdDSA", "managed": true, "signs_from": signs_from.0});
    let later = NOW.plus(Duration::from_secs(100));
    store.rotate_managed_key(&ours, &first, later, Occasion::Asked, NOW).await.unwrap().unwrap();
    log.check("key.create", "key-3", details(later)).await;
    let earlier = store.advance_managed_key(&ours, NOW).await.unwrap().unwrap();
    log.check("key.advance", "key-3", json!({"signs_from": earlier.0})).await;
    let rotated = store.rotate_managed_key(&ours, &second, earlier, Occasion::Asked, NOW).await.unwrap().unwrap();
    log.check("key.create", "key-4", details(rotated.signs_from)).await;
    let over = rotated.signs_from.plus(Duration::from_secs(60));
    assert_eq!(store.delete_retired_keys(over).await.unwrap(), [id("key-3")]);
    log.check_of(Some("ours"), over, "key.delete", "key-3", json!({"retired": true})).await;

    let (gate, _) = store.create_gate_credential("edge", NOW).await.unwrap();
    log.check_of(None, NOW, "gate_credential.create", gate.id.as_str(), json!({"name": "edge"})).await;
    assert!(store.delete_gate_credential(&gate.id, NOW).await.unwrap());
    log.check_of(None, NOW, "gate_credential.delete", gate.id.as_str(), json!({})).await;

    let made = store.revoke(&ours, &revocation(), NOW).await.unwrap();
    let details = json!({"kind": "video", "subject": "film", "reason": "recut"});
    log.check("revocation.create", made.id.as_str(), details).await;
    store.delete_revocation(&ours, &made.id, NOW).await.unwrap();
    log.check("revocation.delete", made.id.as_str(), json!({"kind": "video", "subject": "film"})).await;

    store.register_video(&ours, NewVideo::private(Some(id("film"))), NOW).await.unwrap();
    log.check("video.register", "film", json!({})).await;
    store.update_video(&ours, &id("film"), NOW, |video| video.policy.downloads = true).await.unwrap();
    log.check("video.edit", "film", json!({"changed": ["downloads"]})).await;
    store.delete_video(&ours, &id("film"), NOW).await.unwrap();
    log.check("video.delete", "film", json!({})).await;

    store.delete_account(&ours, NOW).await.unwrap();
    log.check("account.delete", "ours", json!({})).await;
}

async fn what_changes_nothing_has_no_line(home: Home) {
    let (store, ours, theirs) = home.with_accounts().await;
    let made = store.create_api_token(&ours, &NewApiToken::unlimited("ci"), NOW).await.unwrap();
    store.register_video(&ours, NewVideo::private(Some(id("film"))), NOW).await.unwrap();
    store.delete_video(&ours, &id("film"), NOW).await.unwrap();
    let before = all(&store).await;

    assert_eq!(store.delete_video(&ours, &id("film"), NOW).await.unwrap(), Deletion::AlreadyDeleted);
    assert_eq!(store.delete_video(&ours, &id("none"), NOW).await.unwrap(), Deletion::Unknown);
    assert!(!store.delete_credential(&theirs, &made.id, NOW).await.unwrap());
    assert_eq!(store.update_account(&id("nobody"), NOW, |_| {}).await.unwrap(), None);
    // Refused in the middle of the transaction, and by the engine itself.
    let taken = store.create_account(&NewAccount { id: Some(ours.clone()), name: String::new() }, NOW).await;
    assert!(matches!(taken, Err(StoreError::AccountIdTaken { .. })));
    let renamed = store.update_account(&ours, NOW, |account| account.name = "\0".into()).await;
    assert!(matches!(renamed, Err(StoreError::NulInText { .. })));
    // A use is noted, and none of the account's changes.
    let presented = Presented::ApiToken(made.secret.expose());
    store.authenticate(&presented, NOW).await.unwrap().unwrap();
    let noted = async { while store.list_credentials(&ours).await.unwrap()[0].last_used.is_none() {} };
    tokio::time::timeout(Duration::from_secs(30), noted).await.expect("the use is noted");
    assert_eq!(all(&store).await, before);
}

async fn a_change_that_cannot_be_written_down_is_not_made(home: Home) {
    let (store, ours, _) = home.with_accounts().await;
    store.register_video(&ours, NewVideo::private(Some(id("film"))), NOW).await.unwrap();
    home.tamper("ALTER TABLE audit_log RENAME TO audit_log_elsewhere").await;
    assert!(store.delete_video(&ours, &id("film"), NOW).await.is_err());
    assert!(store.video(&ours, &id("film")).await.unwrap().is_some());
    home.tamper("ALTER TABLE audit_log_elsewhere RENAME TO audit_log").await;
    assert_eq!(all(&store).await[0].action, "video.register");
    assert_eq!(store.delete_video(&ours, &id("film"), NOW).await.unwrap(), Deletion::Deleted);
}

async fn the_server_and_people_are_actors_too(home: Home) {
    let (store, ours, _) = home.with_accounts().await;
    let people = store.by(Actor::Cli { user: "root".into() });
    for uid in ["one", "two"] {
        let soon = NewVideo { scheduled_deletion: Some(NOW), ..NewVideo::private(Some(id(uid))) };
        people.register_video(&ours, soon, NOW).await.unwrap();
    }
    assert_eq!(store.delete_scheduled_videos(NOW).await.unwrap(), 2);
    let found = all(&store).await;
    let shown: Vec<_> = found[..4].iter().map(|one| (&*one.action, one.actor.kind(), one.actor.name())).collect();
    let deleted = ("video.delete", "server", "");
    assert_eq!(shown, [deleted, deleted, ("video.register", "cli", "root"), ("video.register", "cli", "root")]);
    assert_eq!(found[0].details, *json!({"scheduled": true}).as_object().unwrap());
}

async fn lines_are_listed_newest_first_by_account_time_and_page(home: Home) {
    let (store, ours, theirs) = home.with_accounts().await;
    for (number, account) in [&ours, &theirs, &ours, &ours].into_iter().enumerate() {
        let at = UnixTime(NOW.0 + 10 * i64::try_from(number).unwrap());
        store.register_video(account, NewVideo::private(Some(id(&format!("v{number}")))), at).await.unwrap();
    }
    let query = AuditQuery { limit: 100, ..AuditQuery::default() };
    let of_ours = AuditQuery { account: Some(ours.clone()), ..query.clone() };
    let at = |seconds| Some(UnixTime(NOW.0 + seconds));
    for (query, expected) in [
        (query.clone(), "v3 v2 v1 v0 theirs ours"),
        (of_ours.clone(), "v3 v2 v0 ours"),
        (AuditQuery { limit: 2, ..of_ours.clone() }, "v3 v2"),
        (AuditQuery { since: at(10), ..query.clone() }, "v3 v2 v1"),
        (AuditQuery { before: at(10), ..query.clone() }, "v0 theirs ours"),
        (AuditQuery { since: at(10), before: at(30), ..query.clone() }, "v2 v1"),
        (AuditQuery { account: Some(id("nobody")), ..query.clone() }, ""),
    ] {
        assert_eq!(subjects(&store.list_audit_log(&query).await.unwrap()), expected, "{query:?}");
    }
    let mut pages = Vec::new();
    let mut after: Option<AuditId> = None;
    loop {
        let page = store.list_audit_log(&AuditQuery { after, limit: 4, ..query.clone() }).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        pages.push(subjects(&page));
    }
    assert_eq!(pages, ["v3 v2 v1 v0", "theirs ours"]);
}

async fn old_lines_are_cleared(home: Home) {
    let (store, ours, _) = home.with_accounts().await;
    let later = UnixTime(NOW.0 + 1);
    store.register_video(&ours, NewVideo::private(Some(id("film"))), later).await.unwrap();
    assert_eq!(store.clear_audit_log(NOW).await.unwrap(), 0);
    assert_eq!(store.clear_audit_log(later).await.unwrap(), 2);
    let kept = all(&store).await;
    assert_eq!(subjects(&kept), "film");
    // Places are not given out again, so a reader in the middle of its pages misses nothing.
    assert_eq!(store.clear_audit_log(UnixTime(later.0 + 1)).await.unwrap(), 1);
    store.delete_video(&ours, &id("film"), later).await.unwrap();
    assert!(all(&store).await[0].id > kept[0].id);
}

struct Log {
    store: Store,
    actor: Actor,
}

impl Log {
    /// The last change, and it alone, since the last check. What was checked is cleared.
    async fn check(&mut self, action: &str, subject: &str, details: Value) {
        self.check_of(Some("ours"), NOW, action, subject, details).await;
    }

    async fn check_of(&mut self, account: Option<&str>, at: UnixTime, action: &str, subject: &str, details: Value) {
        let lines = all(&self.store).await;
        let shown: Vec<_> = lines.iter().map(|line| (&*line.action, &*line.subject, &line.details)).collect();
        assert_eq!(shown, [(action, subject, details.as_object().unwrap())]);
        assert_eq!(
            (&lines[0].actor, lines[0].at, lines[0].account.as_ref()),
            (&self.actor, at, account.map(id).as_ref()),
            "{action}"
        );
        self.store.clear_audit_log(UnixTime(at.0 + 1)).await.unwrap();
    }
}

async fn all(store: &Store) -> Vec<AuditEntry> {
    store.list_audit_log(&AuditQuery { limit: 1000, ..AuditQuery::default() }).await.unwrap()
}

fn subjects(lines: &[AuditEntry]) -> String {
    lines.iter().map(|line| &*line.subject).collect::<Vec<_>>().join(" ")
}

fn revocation() -> NewRevocation {
    NewRevocation {
        subject: RevokedSubject::Video(id("film")),
        extent: RevocationExtent::IssuedBefore(NOW),
        reason: "recut".into(),
        until: None,
    }
}

on_both_engines!(
    every_change_has_one_line,
    what_changes_nothing_has_no_line,
    a_change_that_cannot_be_written_down_is_not_made,
    the_server_and_people_are_actors_too,
    lines_are_listed_newest_first_by_account_time_and_page,
    old_lines_are_cleared,
);

//! What the database tells: whether it answers, the master key opens it, its keys can be read, and its clock is ours.

use std::time::Duration;

use vidpass_store::{Store, StoreError};
use vidpass_token::UnixTime;

use super::finding::Finding;
use crate::config::{Config, MasterKeySource};
use crate::master_key;

/// By how much the clocks of two machines may differ before tokens are refused that are good elsewhere.
const CLOCKS_DIFFER: Duration = Duration::from_secs(2);

pub(super) async fn examine(config: &Config, now: UnixTime) -> Vec<Finding> {
    let key = match master_key::read(&config.master_key) {
        Ok(key) => key,
        Err(problem) => {
            let advice = "bring back the copy that you keep elsewhere: without it no private key can be read";
            return vec![Finding::broken("master key", problem.as_ref(), advice)];
        }
    };
    let from = match &config.master_key {
        MasterKeySource::File(file) => file.display().to_string(),
        MasterKeySource::Inline(_) => "the environment".to_owned(),
        MasterKeySource::Descriptor(number) => format!("file descriptor {number}"),
    };
    let store = match Store::open(&config.database, &key).await {
        Ok(store) => store,
        Err(problem) => return vec![Finding::broken("database", &problem, advice(&problem))],
    };
    let mut findings = vec![
        Finding::good("database", format!("{} answers, and its schema is this program's", config.database)),
        Finding::good("master key", format!("the one of {from} opens it")),
    ];
    findings.push(keys(&store).await.unwrap_or_else(|problem| Finding::broken("keys", &problem, advice(&problem))));
    findings
        .push(clock(&store, now).await.unwrap_or_else(|problem| Finding::broken("clock", &problem, advice(&problem))));
    store.close().await;
    findings
}

#[expect(clippy::wildcard_enum_match_arm, reason = "whatever else goes wrong says itself what it is")]
pub(super) fn advice(problem: &StoreError) -> &'static str {
    match problem {
        StoreError::WrongMasterKey { .. } => {
            "bring back the master key that it was made with: without it no private key can be read"
        }
        StoreError::DatabaseMissing { .. } | StoreError::NotInitialised { .. } => {
            "bring the database back (`vidpass restore BACKUP`), or make a new one with `vidpass init`"
        }
        StoreError::PrivilegeMissing { .. } => "make this user a member of vidpass_gate (docs/gates.md)",
        StoreError::Standby => "name the primary in `database`: what a standby does not know yet, it cannot refuse",
        StoreError::SchemaTooOld { .. } => "start an issuer of this vidpass",
        StoreError::SchemaTooNew { .. } => "use the newer vidpass that made it",
        StoreError::Damaged { .. } => "restore the last backup: `vidpass restore BACKUP`",
        StoreError::Unavailable { .. } => "start it, or see why this machine cannot reach it",
        _ => "restore the last backup (`vidpass restore BACKUP`), and keep this database to look into",
    }
}

/// Opens each private key that is sealed in it.
async fn keys(store: &Store) -> Result<Finding, StoreError> {
    let (mut total, mut sealed) = (0, 0);
    for account in store.list_accounts().await? {
        for key in store.list_signing_keys(&account.id).await? {
            total += 1;
            if key.is_managed() {
                sealed += usize::from(store.open_managed_key(&account.id, &key.id).await?.is_some());
            }
        }
    }
    Ok(Finding::good("keys", format!("{total}, of which {sealed} have their private half here and can be opened")))
}

async fn clock(store: &Store, now: UnixTime) -> Result<Finding, StoreError> {
    const SUBJECT: &str = "clock";
    let Some(theirs) = store.database_time().await? else {
        return Ok(Finding::good(
            SUBJECT,
            "there is no other one to compare it with: the database is a file of this machine",
        ));
    };
    let difference = now.0.abs_diff(theirs.0);
    Ok(if difference > CLOCKS_DIFFER.as_secs() {
        Finding::warning(
            SUBJECT,
            format!("it differs by {difference} s from the database's"),
            "let both machines ask a time server (chrony, systemd-timesyncd): tokens begin and end by the clock of each gate",
        )
    } else {
        Finding::good(SUBJECT, "it agrees with the database's")
    })
}

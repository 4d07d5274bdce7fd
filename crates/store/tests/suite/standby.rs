//! A standby of PostgreSQL: it answers, however far it is behind.

use std::time::Duration;

use vidpass_store::{ChangeLog, DatabaseUrl, MasterKey, NewAccount, Store, StoreError};

use crate::home::NOW;
use crate::postgres_server::PostgresServer;

#[tokio::test]
async fn a_standby_is_no_source_of_changes() {
    let primary = PostgresServer::start(None);
    let url: DatabaseUrl = primary.url("postgres").parse().unwrap();
    let key = MasterKey::generate().unwrap();
    let store = Store::create_or_open(&url, &key).await.unwrap();
    store.create_account(&NewAccount { id: None, name: "A".into() }, NOW).await.unwrap();
    assert!(store.snapshot().await.is_ok());

    let standby = PostgresServer::start(Some(&primary));
    let url: DatabaseUrl = standby.url("postgres").parse().unwrap();
    let told = ChangeLog::open(&url).await.unwrap().snapshot().await;
    assert!(matches!(told, Err(StoreError::Standby)), "{told:?}");
    let told = Store::open(&url, &key).await.unwrap().snapshot().await;
    assert!(matches!(told, Err(StoreError::Standby)), "{told:?}");

    // One that takes over is a source like any other.
    let promoted = standby.program("psql").args(["-Atc", "SELECT pg_promote()"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&promoted.stdout).trim(), "t");
    let log = ChangeLog::open(&url).await.unwrap();
    tokio::time::timeout(Duration::from_secs(30), log.snapshot()).await.unwrap().unwrap();
}

//! A disk that is full for a while. SQLite alone: where PostgreSQL keeps its files is its own affair.

use std::path::Path;
use std::process::Command;

use vidpass_store::{DatabaseUrl, MasterKey, NewVideo, Store};

use crate::home::{NOW, id};

/// A file system of its own, unmounted when dropped. It takes root, as the tests' PostgreSQL does.
struct Disk(tempfile::TempDir);

impl Disk {
    fn new(size: &str) -> Self {
        let disk = Self(tempfile::tempdir().unwrap());
        run("mount", &["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs", disk.path()]);
        disk
    }

    fn resize(&self, size: &str) {
        run("mount", &["-o", &format!("remount,size={size}"), self.path()]);
    }

    fn path(&self) -> &str {
        self.0.path().to_str().unwrap()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        run("umount", &["-l", self.path()]);
    }
}

fn run(program: &str, arguments: &[&str]) {
    let done = Command::new(program).args(arguments).status().unwrap();
    assert!(done.success(), "{program} {arguments:?}: {done}");
}

#[tokio::test]
async fn writes_go_on_when_there_is_space_again() {
    let disk = Disk::new("700k");
    let url = DatabaseUrl::sqlite(Path::new(disk.path()).join("vidpass.db"));
    let store = Store::create_or_open(&url, &MasterKey::generate().unwrap()).await.unwrap();
    let account = store.create_account(&vidpass_store::NewAccount { id: Some(id("a")), name: "A".into() }, NOW).await;
    let account = account.unwrap().id;
    let creator = Some("x".repeat(200));
    let mut kept = 0;
    let error = loop {
        let video = NewVideo { creator: creator.clone(), ..NewVideo::private(None) };
        match store.register_video(&account, video, NOW).await {
            Ok(_) => kept += 1,
            Err(error) => break error,
        }
    };
    assert!(error.is_unavailable(), "{error:?}");
    for _ in 0..3 {
        let again = store.register_video(&account, NewVideo::private(None), NOW).await;
        kept += usize::from(again.is_ok());
        assert!(again.is_ok() || again.as_ref().is_err_and(vidpass_store::StoreError::is_unavailable), "{again:?}");
    }
    disk.resize("8m");
    store.register_video(&account, NewVideo::private(None), NOW).await.unwrap();
    assert_eq!(store.snapshot().await.unwrap().videos.len(), kept + 1, "what was acknowledged, and nothing else");
    store.close().await;
}

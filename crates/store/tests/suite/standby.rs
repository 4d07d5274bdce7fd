//! A standby of PostgreSQL: it answers, however far it is behind.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::time::Duration;

use vidpass_store::{ChangeLog, DatabaseUrl, MasterKey, NewAccount, Store, StoreError};

use crate::home::NOW;
use crate::postgres_server::{PostgresServer, as_server_user, programs};

/// As the server's own script: it ends when its input does.
const SCRIPT: &str = r#"
cd / && directory=$(mktemp -d -t vidpass-standby.XXXXXX) || exit 1
trap 'rm -rf "$directory"' EXIT
"$1/pg_basebackup" -h "$2" -U postgres -D "$directory/data" -R -X stream -c fast >"$directory/log" 2>&1 &&
    chmod 700 "$directory/data" || { cat "$directory/log" >&2; exit 1; }
"$1/postgres" -D "$directory/data" -k "$directory" -c listen_addresses= -c max_connections=300 >>"$directory/log" 2>&1 </dev/null &
server=$!
until "$1/pg_isready" -q -h "$directory"; do
    kill -0 $server 2>/dev/null || { cat "$directory/log" >&2; exit 1; }
    sleep 0.05
done
echo "$directory"
cat >/dev/null
kill -INT $server
wait $server
"#;

#[tokio::test]
async fn a_standby_is_no_source_of_changes() {
    let primary = PostgresServer::start();
    let url = primary.create_database();
    let key = MasterKey::generate().unwrap();
    let store = Store::create_or_open(&url.parse().unwrap(), &key).await.unwrap();
    store.create_account(&NewAccount { id: None, name: "A".into() }, NOW).await.unwrap();
    assert!(store.snapshot().await.is_ok());

    let mut shell = as_server_user();
    shell.args(["sh", "-c", SCRIPT, "sh"]).arg(programs().unwrap()).arg(&primary.directory);
    let mut shell = shell.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut directory = String::new();
    BufReader::new(shell.stdout.take().unwrap()).read_line(&mut directory).unwrap();
    let standby: DatabaseUrl = url.replace(&primary.directory, directory.trim()).parse().unwrap();

    let log = ChangeLog::open(&standby).await;
    let told = match log {
        Ok(log) => log.snapshot().await.map(|_| ()),
        Err(error) => Err(error),
    };
    assert!(matches!(told, Err(StoreError::Standby)), "{told:?}");
    assert!(matches!(Store::open(&standby, &key).await.unwrap().snapshot().await, Err(StoreError::Standby)));

    // One that takes over is a source like any other.
    let promoted = std::process::Command::new(programs().unwrap().join("psql"))
        .args(["-h", directory.trim(), "-U", "postgres", "-Atc", "SELECT pg_promote()"])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&promoted.stdout).trim(), "t");
    let log = ChangeLog::open(&standby).await.unwrap();
    tokio::time::timeout(Duration::from_secs(30), log.snapshot()).await.unwrap().unwrap();
    drop(shell.stdin.take());
    shell.wait().unwrap();
}

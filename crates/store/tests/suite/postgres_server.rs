//! A real PostgreSQL server for the tests of this process: started when first asked for, gone when the process is.
//!
//! It leans on nothing but the standard library, so that other test packages can include this file by its path.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// Runs as the user that the server is to have. `$1` is the folder of PostgreSQL's programs, `$2` of the socket of a server
/// whose standby it is to be, if any. The end of its input is the end of the test process, however that came about.
const SCRIPT: &str = r#"
cd / && directory=$(mktemp -d -t vidpass-postgres.XXXXXX) || exit 1
trap 'rm -rf "$directory"' EXIT
if [ -n "$2" ]; then
    "$1/pg_basebackup" -h "$2" -U postgres -D "$directory/data" --write-recovery-conf --checkpoint=fast --no-sync
else
    "$1/initdb" -D "$directory/data" -U postgres --auth=trust --no-locale --encoding=UTF8 --no-sync
fi >"$directory/log" 2>&1 || { cat "$directory/log" >&2; exit 1; }
"$1/postgres" -D "$directory/data" -k "$directory" -c listen_addresses= -c fsync=off -c max_connections=300 \
    >>"$directory/log" 2>&1 </dev/null &
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

/// A running server that listens on a Unix socket alone.
pub(crate) struct PostgresServer {
    programs: PathBuf,
    /// Of the socket.
    directory: String,
    databases: AtomicU32,
    /// The shell around the server. Its input is held open; the end of it stops the server.
    _shell: Child,
}

/// The server of this process.
///
/// # Panics
/// Where PostgreSQL is not installed, or does not start.
pub(crate) fn postgres_server() -> &'static PostgresServer {
    static SERVER: OnceLock<PostgresServer> = OnceLock::new();
    SERVER.get_or_init(|| PostgresServer::start(None))
}

impl PostgresServer {
    /// Starts one of its own, or the standby of another.
    pub(crate) fn start(primary: Option<&Self>) -> Self {
        let programs = programs().expect(
            "these tests need PostgreSQL's server (`initdb`, `postgres`): install the Debian package `postgresql`",
        );
        let mut shell = as_server_user()
            .args(["sh", "-c", SCRIPT, "sh"])
            .arg(&programs)
            .args(primary.map(|primary| &primary.directory))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell can be started");
        let mut directory = String::new();
        BufReader::new(shell.stdout.take().expect("it is piped"))
            .read_line(&mut directory)
            .expect("the shell writes a line or ends");
        assert!(!directory.is_empty(), "PostgreSQL did not start; its messages are above");
        let databases = AtomicU32::new(0);
        Self { programs, directory: directory.trim().to_owned(), databases, _shell: shell }
    }

    /// Makes an empty database and gives its URL.
    pub(crate) fn create_database(&self) -> String {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let done = self.program("createdb").arg(&name).status().expect("`createdb` is beside `initdb`");
        assert!(done.success(), "`createdb` failed");
        self.url(&name)
    }

    /// The URL of a database of that name.
    pub(crate) fn url(&self, name: &str) -> String {
        format!("postgres://postgres@localhost/{name}?host={}", self.directory)
    }

    /// One of PostgreSQL's own programs, told where the server is.
    pub(crate) fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.programs.join(name));
        command.args(["-h", &self.directory, "-U", "postgres"]);
        command
    }
}

/// The newest version below `/usr/lib/postgresql`, where Debian has it, or else what is in `PATH`.
pub(crate) fn programs() -> Option<PathBuf> {
    let version = |folder: &Path| folder.file_name()?.to_str()?.parse::<u32>().ok();
    let installed = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|entry| entry.path());
    let newest = installed.filter(|folder| folder.join("bin/initdb").exists()).max_by_key(|folder| version(folder));
    newest.map(|folder| folder.join("bin")).or_else(|| {
        let path: OsString = std::env::var_os("PATH")?;
        let initdb = std::env::split_paths(&path).map(|folder| folder.join("initdb")).find(|file| file.exists())?;
        Some(initdb.canonicalize().ok()?.parent()?.to_owned())
    })
}

/// The server refuses to run as root; Debian's package has a user for it.
pub(crate) fn as_server_user() -> Command {
    let root = std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0);
    let mut command = Command::new(if root { "runuser" } else { "env" });
    if root {
        command.args(["-u", "postgres", "--"]);
    }
    command
}

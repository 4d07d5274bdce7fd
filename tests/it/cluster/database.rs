//! A PostgreSQL server of a test's own, which is killed without warning and started again.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::postgres_server::{as_server_user, programs};

pub(crate) struct Database {
    programs: PathBuf,
    /// Of data and socket.
    folder: String,
    server: Child,
}

impl Database {
    pub(crate) fn start() -> Self {
        let programs = programs().expect("PostgreSQL's server is installed");
        let output = as_server_user().args(["mktemp", "-d", "-t", "vidpass-cluster.XXXXXX"]).output().unwrap();
        let folder = String::from_utf8(output.stdout).unwrap().trim().to_owned();
        let initdb = programs.join("initdb");
        let made = as_server_user()
            .current_dir("/")
            .arg(initdb)
            .args(["-D", &format!("{folder}/data"), "-U", "postgres", "--auth=trust", "--no-locale", "--no-sync"])
            .stdout(Stdio::null())
            .status();
        assert!(made.unwrap().success());
        let server = serve(&programs, &folder);
        let database = Self { programs, folder, server };
        database.wait_until_ready();
        database
    }

    /// The URL of the one database that there is.
    pub(crate) fn url(&self) -> String {
        format!("postgres://postgres@localhost/postgres?host={}", self.folder)
    }

    pub(crate) fn socket(&self) -> String {
        format!("{}/.s.PGSQL.5432", self.folder)
    }

    /// Kills the server, and with it what its processes had in memory.
    pub(crate) fn kill(&mut self) {
        let file = std::fs::read_to_string(format!("{}/data/postmaster.pid", self.folder)).unwrap();
        let killed = Command::new("kill").args(["-KILL", file.lines().next().unwrap()]).status();
        assert!(killed.unwrap().success());
        self.server.wait().unwrap();
    }

    /// Starts it again, and gives the moment from which it answers.
    pub(crate) fn restart(&mut self) -> Instant {
        // Its processes that still die may refuse the first attempts.
        while self.server.try_wait().unwrap().is_some() {
            self.server = serve(&self.programs, &self.folder);
            std::thread::sleep(Duration::from_millis(200));
        }
        self.wait_until_ready()
    }

    fn wait_until_ready(&self) -> Instant {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !self.program("pg_isready").arg("-q").status().unwrap().success() {
            assert!(Instant::now() < deadline, "PostgreSQL does not start");
            std::thread::sleep(Duration::from_millis(20));
        }
        Instant::now()
    }

    /// Runs one statement, and gives what it prints.
    pub(crate) fn query(&self, sql: &str) -> String {
        let output = self.program("psql").args(["-q", "-A", "-t", "-c", sql]).output().unwrap();
        assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.programs.join(name));
        command.args(["-h", &self.folder, "-U", "postgres"]);
        command
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let stop = self.programs.join("pg_ctl");
        let data = format!("{}/data", self.folder);
        let mut command = as_server_user();
        command.current_dir("/").arg(stop).args(["stop", "-s", "-m", "immediate", "-D", &data]);
        drop(command.status());
        drop(self.server.wait());
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

fn serve(programs: &std::path::Path, folder: &str) -> Child {
    as_server_user()
        .current_dir("/")
        .arg(programs.join("postgres"))
        .args(["-D", &format!("{folder}/data"), "-k", folder, "-c", "listen_addresses=", "-c", "max_connections=300"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

//! A real Postgres on a free loopback port, for as long as a test needs it.
//!
//! Include it with `#[path = "../support/postgres.rs"] mod postgres;`. The server that
//! `GEOCAST_TEST_POSTGRES` names, as `scripts/with-postgres` does, saves starting one for each test.

use std::{
    fmt::Write as _,
    fs,
    io::{BufRead as _, BufReader},
    net::TcpListener,
    os::unix::fs::{MetadataExt as _, chown},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    time::Duration,
};

use tempfile::TempDir;

/// How long a start may take on a machine under load.
const DEADLINE: Duration = Duration::from_mins(1);

/// A server of one's own, to be killed and started again. Ends when dropped.
pub(crate) struct PostgresServer {
    dir: TempDir,
    port: u16,
    settings: Vec<String>,
    /// What the server said last, for those who ask why it does not start.
    log: Arc<Mutex<String>>,
    process: Option<Child>,
}

/// An empty database. Dropped when dropped.
pub(crate) struct Database {
    pub(crate) url: String,
    name: String,
    /// A server of its own, where there is no shared one.
    _server: Option<PostgresServer>,
}

impl Database {
    /// On the shared server, or else on one of its own.
    pub(crate) fn create() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let nth = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("geocast_test_{}_{nth}", std::process::id());
        let shared = std::env::var("GEOCAST_TEST_POSTGRES").ok().filter(|url| !url.is_empty());
        let server = shared.is_none().then(|| PostgresServer::start(&[]));
        let base = shared.or_else(|| server.as_ref().map(PostgresServer::base)).unwrap();
        let url = format!("{}/{name}", base.trim_end_matches('/'));
        let database = Self { url, name, _server: server };
        database.administer(&format!("CREATE DATABASE {}", database.name));
        database
    }

    /// Runs statements in this database, each by itself, and answers what the last one says.
    pub(crate) fn sql(&self, statements: &str) -> String {
        psql(&self.url, statements)
    }

    /// Begins to run statements.
    pub(crate) fn sql_meanwhile(&self, statements: &str) -> Child {
        begin(&self.url, statements)
    }

    fn administer(&self, statement: &str) {
        let (base, _) = self.url.rsplit_once('/').unwrap();
        psql(&format!("{base}/postgres"), statement);
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.administer(&format!("DROP DATABASE {} WITH (FORCE)", self.name));
        }
    }
}

impl PostgresServer {
    /// A new server with these settings, as `max_connections=10`.
    pub(crate) fn start(settings: &[&str]) -> Self {
        let dir = tempfile::Builder::new().prefix("geocast-postgres-").tempdir().unwrap();
        if let Some(user) = other_user() {
            chown(dir.path(), Some(user), None).unwrap();
        }
        let data = dir.path().join("data");
        run(as_postgres("initdb").arg("-D").arg(&data).args([
            "--username=postgres",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
            "--wal-segsize=1",
            "--no-sync",
        ]));
        let settings = settings.iter().map(|&setting| setting.to_owned()).collect();
        let mut server = Self { dir, port: 0, settings, log: Arc::default(), process: None };
        // Between the choice of a free port and its use, another test may take it.
        for _ in 0..5 {
            server.port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            if server.launch() {
                return server;
            }
        }
        panic!("PostgreSQL does not start:\n{}", server.log.lock().unwrap());
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The URL of a database.
    pub(crate) fn url(&self, database: &str) -> String {
        format!("{}/{database}", self.base())
    }

    fn base(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}", self.port)
    }

    /// Runs statements in a database, each by itself, and answers what the last one says.
    pub(crate) fn sql(&self, database: &str, statements: &str) -> String {
        psql(&self.url(database), statements)
    }

    /// Says who may connect how, first of all that is said of it, and makes the server read it.
    pub(crate) fn allow(&self, line: &str) {
        let path = self.dir.path().join("data/pg_hba.conf");
        let before = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("{line}\n{before}")).unwrap();
        self.sql("postgres", "SELECT pg_reload_conf()");
    }

    /// SIGKILL for the server and everything that it started.
    pub(crate) fn kill(&mut self) {
        let Some(mut process) = self.process.take() else { return };
        let children = children(process.id());
        process.kill().unwrap();
        process.wait().unwrap();
        for child in children {
            // It may have followed its parent.
            let _ = Command::new("kill")
                .args(["-9", &child.to_string()])
                .stderr(Stdio::null())
                .status();
        }
    }

    /// Starts it again, on the same port and with what it was told.
    pub(crate) fn restart(&mut self) {
        for _ in 0..20 {
            if self.launch() {
                return;
            }
        }
        panic!("PostgreSQL does not start again:\n{}", self.log.lock().unwrap());
    }

    fn launch(&mut self) -> bool {
        let mut server = as_postgres("postgres");
        server.arg("-D").arg(self.dir.path().join("data")).arg("-k").arg(self.dir.path());
        server.args(["-h", "127.0.0.1", "-p", &self.port.to_string()]);
        let usual = ["fsync=off", "shared_buffers=16MB", "autovacuum=off"];
        for setting in usual.into_iter().chain(self.settings.iter().map(String::as_str)) {
            server.args(["-c", setting]);
        }
        let mut child = server
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (ready, is_ready) = mpsc::channel();
        let log = Arc::clone(&self.log);
        // Ends with the server.
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                writeln!(log.lock().unwrap(), "{line}").unwrap();
                if line.contains("ready to accept connections") {
                    // Nobody may be waiting any more.
                    let _ = ready.send(());
                }
            }
        });
        if is_ready.recv_timeout(DEADLINE).is_ok() {
            self.process = Some(child);
            return true;
        }
        let _ = child.kill();
        child.wait().unwrap();
        false
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Begins to run statements.
pub(crate) fn begin(url: &str, statements: &str) -> Child {
    let mut psql = Command::new(program("psql"));
    psql.args(["-X", "-q", "-d", url, "-c", statements]).stdin(Stdio::null());
    psql.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

fn psql(url: &str, statements: &str) -> String {
    let mut psql = Command::new(program("psql"));
    psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", url, "-c", statements]);
    run(&mut psql)
}

/// Runs to the end, and answers what was said.
fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} fails: {said}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A program of the server's, as a user that it accepts. It ends with the test.
fn as_postgres(name: &str) -> Command {
    let program = program(name);
    if !Path::new("/usr/bin/setpriv").exists() {
        return Command::new(program);
    }
    let mut command = Command::new("/usr/bin/setpriv");
    command.args(["--pdeathsig", "KILL"]);
    if other_user().is_some() {
        command.args(["--reuid=postgres", "--regid=postgres", "--init-groups"]);
    }
    command.arg("--").arg(program).current_dir("/");
    command
}

/// The user that runs the server where this is root, whom it refuses.
fn other_user() -> Option<u32> {
    if fs::metadata("/proc/self").ok()?.uid() != 0 {
        return None;
    }
    Some(run(Command::new("id").args(["-u", "postgres"])).parse().unwrap())
}

/// Where a program of the server's is: Debian keeps those of the server out of the PATH.
fn program(name: &str) -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = versions.map(|entry| entry.path().join("bin")).collect();
    folders.sort();
    folders.reverse();
    folders.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    let found = folders.into_iter().map(|folder| folder.join(name)).find(|path| path.exists());
    found.unwrap_or_else(|| panic!("{name} is missing: 'scripts/setup postgres' installs it"))
}

/// The processes that a process has started.
fn children(parent: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let is_child = |process: &u32| {
        let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("PPid:"));
        line.is_some_and(|line| line.trim() == parent.to_string())
    };
    numbers.filter(is_child).collect()
}

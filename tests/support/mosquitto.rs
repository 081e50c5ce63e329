//! A real mosquitto on a free loopback port, for as long as a test needs it.
//!
//! Include it with `#[path = "../support/mosquitto.rs"] mod mosquitto;`.

use std::{
    fmt::Write as _,
    io::{BufRead as _, BufReader, ErrorKind},
    net::{SocketAddr, TcpListener},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use tempfile::TempDir;
use tokio::{sync::watch, time::timeout};

/// How long anything here may take.
const DEADLINE: Duration = Duration::from_secs(30);

/// A broker with its own port, data and log. Stops when dropped.
pub(crate) struct Mosquitto {
    dir: TempDir,
    port: u16,
    config: String,
    /// Everything logged since the first start, line by line.
    log: Arc<watch::Sender<Vec<String>>>,
    process: Option<Process>,
}

struct Process {
    child: Child,
    reader: JoinHandle<()>,
    /// One message when it is up; closed when it has ended.
    news: Receiver<()>,
}

impl Mosquitto {
    /// A broker that takes anyone.
    pub(crate) fn start() -> Self {
        Self::with("allow_anonymous true")
    }

    /// A broker with these lines of `mosquitto.conf`, where `DIR` stands for its directory.
    pub(crate) fn with(config: &str) -> Self {
        Self::prepared(config, |_dir| {})
    }

    /// A broker whose directory `prepare` filled with what the configuration names.
    pub(crate) fn prepared(config: &str, prepare: impl FnOnce(&Path)) -> Self {
        let dir = TempDir::new().unwrap();
        prepare(dir.path());
        let log = Arc::new(watch::Sender::new(Vec::new()));
        let mut broker = Self { dir, port: 0, config: config.to_owned(), log, process: None };
        // Between the choice of a free port and its use, another test may take it.
        for _ in 0..5 {
            broker.port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            if broker.launch() {
                return broker;
            }
        }
        panic!("mosquitto does not start:\n{}", broker.log.borrow().join("\n"));
    }

    /// The port on 127.0.0.1.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn address(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.port).into()
    }

    /// Its address, for anyone.
    pub(crate) fn url(&self) -> String {
        format!("mqtt://127.0.0.1:{}", self.port)
    }

    /// Stops it in order: what it holds for absent clients is kept.
    pub(crate) fn stop(&mut self) {
        let Some(Process { mut child, reader, news }) = self.process.take() else { return };
        let kill = format!("kill -TERM {}", child.id());
        let began = Instant::now();
        loop {
            Command::new("sh").args(["-c", &kill]).stderr(Stdio::null()).status().unwrap();
            // A mosquitto that has just come up forgets the first signal, so it gets another.
            match news.recv_timeout(Duration::from_millis(200)) {
                Err(RecvTimeoutError::Disconnected) => break,
                _ => assert!(began.elapsed() < DEADLINE, "mosquitto does not stop"),
            }
        }
        child.wait().unwrap();
        reader.join().unwrap();
    }

    /// Kills it: what it has not written to disk is lost.
    pub(crate) fn kill(&mut self) {
        let Some(Process { mut child, reader, .. }) = self.process.take() else { return };
        child.kill().unwrap();
        child.wait().unwrap();
        reader.join().unwrap();
    }

    /// Starts it again where it was, with what it kept.
    pub(crate) fn start_again(&mut self) {
        self.stop();
        assert!(self.launch(), "mosquitto does not come back:\n{}", self.log.borrow().join("\n"));
    }

    /// Loses what it kept. Only while it is stopped.
    pub(crate) fn forget(&mut self) {
        assert!(self.process.is_none());
        std::fs::remove_file(self.dir.path().join("mosquitto.db")).unwrap();
    }

    /// Waits until the log holds `times` lines with this text, and returns the log.
    pub(crate) async fn logged(&self, text: &str, times: usize) -> Vec<String> {
        let mut log = self.log.subscribe();
        let there = log.wait_for(|log| count(log, text) >= times);
        if let Ok(log) = timeout(DEADLINE, there).await {
            return log.unwrap().clone();
        }
        panic!("not {times} times {text:?} in:\n{}", self.log.borrow().join("\n"))
    }

    /// How many lines of the log hold this text now.
    pub(crate) fn count(&self, text: &str) -> usize {
        count(&self.log.borrow(), text)
    }

    /// Publishes each line of `lines` as one message, in order, and waits until the broker has
    /// them.
    pub(crate) fn publish(&self, topic: &str, qos: u8, lines: &[&str]) {
        let input = lines.iter().fold(String::new(), |mut input, line| {
            writeln!(input, "{line}").unwrap();
            input
        });
        publish(self.port, topic, qos, &input, &["-l"]);
    }

    /// Publishes `payload` as one message.
    pub(crate) fn publish_bytes(&self, topic: &str, qos: u8, payload: &str) {
        publish(self.port, topic, qos, payload, &["-s"]);
    }

    /// Whether it came up; not, when the port is taken.
    fn launch(&mut self) -> bool {
        let directory = self.dir.path().display();
        let extra = self.config.replace("DIR", &directory.to_string());
        let config = format!(
            "user root\nlistener {port} 127.0.0.1\npersistence true\n\
             persistence_location {directory}/\nlog_dest stderr\nlog_type all\n{extra}\n",
            port = self.port,
        );
        let file = self.dir.path().join("mosquitto.conf");
        std::fs::write(&file, config).unwrap();
        let mut child = tool("mosquitto", "mosquitto")
            .arg("-c")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let errors = BufReader::new(child.stderr.take().unwrap());
        let log = Arc::clone(&self.log);
        let (up, news) = std::sync::mpsc::channel();
        let reader = std::thread::spawn(move || {
            for line in errors.lines().map_while(Result::ok) {
                if line.ends_with(" running") {
                    let _ = up.send(());
                }
                log.send_modify(|log| log.push(line));
            }
        });
        // The sender goes with the log, so a process that ends ends the waiting.
        let came_up = news.recv_timeout(DEADLINE).is_ok();
        self.process = Some(Process { child, reader, news });
        if !came_up {
            self.stop();
        }
        came_up
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        // It may have ended by itself.
        if let Some(Process { mut child, reader, .. }) = self.process.take() {
            let _ = child.kill();
            let _ = child.wait();
            let _ = reader.join();
        }
    }
}

fn count(log: &[String], text: &str) -> usize {
    log.iter().filter(|line| line.contains(text)).count()
}

/// A command of mosquitto's, or a failure that says how to get it.
pub(crate) fn tool(name: &str, package: &str) -> Command {
    let places =
        ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin", "/opt/homebrew/sbin"];
    let found = places.iter().map(|place| Path::new(place).join(name)).find(|path| path.exists());
    let path = found.unwrap_or_else(|| name.into());
    let mut probe = Command::new(&path);
    if let Err(error) = probe.arg("-h").stdout(Stdio::null()).stderr(Stdio::null()).status() {
        assert!(
            error.kind() != ErrorKind::NotFound,
            "these tests need {name}: install the package {package} (apt-get install {package})"
        );
    }
    Command::new(path)
}

/// Runs `mosquitto_pub` to its end with this input.
pub(crate) fn publish(port: u16, topic: &str, qos: u8, input: &str, arguments: &[&str]) {
    let mut child = tool("mosquitto_pub", "mosquitto-clients")
        .args(["-h", "127.0.0.1", "-p", &port.to_string(), "-t", topic, "-q", &qos.to_string()])
        .args(arguments)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    std::io::Write::write_all(&mut stdin, input.as_bytes()).unwrap();
    drop(stdin);
    let began = Instant::now();
    assert!(child.wait().unwrap().success(), "mosquitto_pub failed after {:?}", began.elapsed());
}

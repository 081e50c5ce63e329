//! The built binary as a process.

use std::{
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    process::{Child, Command, ExitStatus, Stdio},
    sync::Arc,
    thread::JoinHandle,
};

use serde_json::Value;
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use super::{DEADLINE, Screen};

/// A running geocast. Killed when dropped.
pub(crate) struct Geocast {
    process: Child,
    reader: Option<JoinHandle<()>>,
    log: watch::Receiver<Vec<String>>,
    pub(crate) address: SocketAddr,
    client: reqwest::Client,
}

impl Geocast {
    /// Starts `geocast` with these arguments on a free port, and waits until it listens.
    pub(crate) async fn start(arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_geocast"));
        command.args(arguments);
        Self::run(command).await
    }

    /// The same by a command that becomes geocast.
    pub(crate) async fn run(command: Command) -> Self {
        let mut geocast = Self::spawn(command);
        geocast.listens().await;
        geocast
    }

    /// Waits until it listens.
    pub(crate) async fn listens(&mut self) {
        self.address = self.logged("listening on http://").await.parse().unwrap();
    }

    /// The same, without waiting.
    pub(crate) fn launch(arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_geocast"));
        command.args(arguments);
        Self::spawn(command)
    }

    fn spawn(mut command: Command) -> Self {
        let mut process = command
            .args(["--listen", "127.0.0.1:0"])
            .stderr(Stdio::piped())
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let (append, log) = watch::channel(Vec::new());
        let append = Arc::new(append);
        let reader = std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                append.send_modify(|log| log.push(line));
            }
        });
        let client = reqwest::Client::new();
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        Self { process, reader: Some(reader), log, address: nowhere, client }
    }

    /// One with its own broker, and a database in `folder`.
    pub(crate) async fn with_broker(folder: &std::path::Path) -> Self {
        Self::with(folder, &[]).await
    }

    /// One with its own broker, a database in `folder`, and these settings.
    pub(crate) async fn with(folder: &std::path::Path, settings: &[&str]) -> Self {
        let database = format!("sqlite:{}", folder.join("geocast.db").display());
        let usual = ["serve", "--broker-listen", "127.0.0.1:0", "--database-url", &database];
        Self::start(&[&usual, settings].concat()).await
    }

    /// Waits for a log line with `start` in it and returns what follows, up to the next blank.
    pub(crate) async fn logged(&mut self, start: &str) -> String {
        let find = |log: &[String]| {
            let rest = log.iter().find_map(|line| Some(line.split_once(start)?.1.to_owned()));
            rest.map(|rest| rest.split_whitespace().next().unwrap_or_default().to_owned())
        };
        let waiting = self.log.wait_for(|log| find(log).is_some());
        let found = timeout(DEADLINE, waiting).await.is_ok_and(|log| log.is_ok());
        assert!(found, "no {start:?} in the log:\n{}", self.log());
        find(&self.log.borrow()).unwrap()
    }

    pub(crate) async fn broker(&mut self) -> SocketAddr {
        self.logged("broker listening on mqtt://").await.parse().unwrap()
    }

    pub(crate) fn log(&self) -> String {
        self.log.borrow().join("\n")
    }

    /// A GET request: the status and the JSON body.
    pub(crate) async fn ask(&self, path: &str) -> (u16, Value) {
        let answer = self.get(path).await;
        let status = answer.status().as_u16();
        (status, answer.json().await.unwrap())
    }

    pub(crate) async fn get(&self, path: &str) -> reqwest::Response {
        let url = format!("http://{}{path}", self.address);
        self.client.get(url).timeout(DEADLINE).send().await.unwrap()
    }

    /// A GET request with a header: the JSON body.
    pub(crate) async fn ask_with(&self, path: &str, header: (&str, &str)) -> Value {
        let url = format!("http://{}{path}", self.address);
        let request = self.client.get(url).header(header.0, header.1).timeout(DEADLINE);
        request.send().await.unwrap().json().await.unwrap()
    }

    /// A DELETE request with these headers: the status.
    pub(crate) async fn delete(&self, path: &str, headers: &[(&str, &str)]) -> u16 {
        let url = format!("http://{}{path}", self.address);
        let request = self.client.delete(url).timeout(DEADLINE);
        let request =
            headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        request.send().await.unwrap().status().as_u16()
    }

    /// The value of a metric, by its name and labels as written.
    pub(crate) async fn metric(&self, name: &str) -> u64 {
        self.metric_if_any(name).await.unwrap_or_else(|text| panic!("no metric {name} in\n{text}"))
    }

    /// The same, or all metrics if this one is not among them yet.
    async fn metric_if_any(&self, name: &str) -> Result<u64, String> {
        let text = self.get("/metrics").await.text().await.unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.map(|value| value.parse().unwrap()).ok_or(text)
    }

    /// Asks until the answer is as expected. The only place that asks again: some things become
    /// true without telling.
    pub(crate) async fn ask_until(
        &self,
        path: &str,
        expected: impl Fn(u16, &Value) -> bool,
    ) -> Value {
        let asking = async {
            loop {
                let (status, body) = self.ask(path).await;
                if expected(status, &body) {
                    return body;
                }
                sleep(std::time::Duration::from_millis(20)).await;
            }
        };
        if let Ok(body) = timeout(DEADLINE, asking).await {
            return body;
        }
        panic!("{path} does not become as expected: {:?}", self.ask(path).await)
    }

    pub(crate) async fn metric_reaches(&self, name: &str, least: u64) {
        let asking = async {
            while self.metric_if_any(name).await.is_ok_and(|value| value < least) {
                sleep(std::time::Duration::from_millis(20)).await;
            }
        };
        let reached = timeout(DEADLINE, asking).await.is_ok();
        assert!(reached, "{name} is {} and not yet {least}", self.metric(name).await);
    }

    pub(crate) async fn metric_becomes(&self, name: &str, expected: u64) {
        let asking = async {
            while self.metric_if_any(name).await != Ok(expected) {
                sleep(std::time::Duration::from_millis(20)).await;
            }
        };
        let became = timeout(DEADLINE, asking).await.is_ok();
        assert!(became, "{name} is {} and not {expected}", self.metric(name).await);
    }

    /// Waits until there is room for one more connection, and says what the metrics are then.
    pub(crate) async fn metrics_once_let_in(&self) -> String {
        let url = format!("http://{}/metrics", self.address);
        let asking = async {
            loop {
                // Refused connections end in all sorts of errors.
                if let Ok(answer) = self.client.get(&url).send().await
                    && answer.status() == 200
                    && let Ok(text) = answer.text().await
                {
                    return text;
                }
                sleep(std::time::Duration::from_millis(20)).await;
            }
        };
        timeout(DEADLINE, asking).await.expect("nobody is let in any more")
    }

    /// A client that shows what matches `query`, as in `?bbox=...`.
    pub(crate) async fn look(&self, query: &str) -> Screen {
        Screen::connect(&format!("ws://{}/api/ws{query}", self.address)).await
    }

    pub(crate) fn pid(&self) -> rustix::process::Pid {
        rustix::process::Pid::from_child(&self.process)
    }

    /// The memory that it holds, in KiB; none where the system does not say.
    pub(crate) fn resident_kib(&self) -> Option<u64> {
        self.status("VmRSS:")?.strip_suffix(" kB")?.parse().ok()
    }

    /// What Linux says of the process, by the name of the line.
    pub(crate) fn status(&self, name: &str) -> Option<String> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        Some(line.trim().to_owned())
    }

    /// SIGTERM, and the exit status.
    pub(crate) async fn stop(mut self) -> (ExitStatus, String) {
        let process = i32::try_from(self.process.id()).unwrap();
        let killed = Command::new("kill").arg(process.to_string()).status().unwrap();
        assert!(killed.success());
        let ending = async {
            loop {
                if let Some(status) = self.process.try_wait().unwrap() {
                    return status;
                }
                sleep(std::time::Duration::from_millis(10)).await;
            }
        };
        let Ok(status) = timeout(DEADLINE, ending).await else {
            panic!("does not stop:\n{}", self.log.borrow().join("\n"));
        };
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        (status, self.log())
    }

    /// SIGKILL.
    pub(crate) fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Geocast {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

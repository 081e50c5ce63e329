//! What is measured: a server and its broker, started for it or already there.

use std::{
    fs::{self, File},
    net::{SocketAddr, TcpListener, ToSocketAddrs},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, bail};
use tempfile::TempDir;
use tokio::{
    net::TcpStream,
    process::{Child, Command},
    time::sleep,
};
use url::Url;

use super::{
    Report,
    load::Door,
    machine::{LOAD_CORE, SERVER_CORE, cores, start_on},
    usage::{Cpu, Memory, cpu_of, memory_of, now_ns},
};
use crate::config::UnderTest;

/// How long a server may take to come up, with a large database.
const PATIENCE: Duration = Duration::from_mins(3);

/// How often it is looked whether it has.
const LOOK: Duration = Duration::from_millis(20);

/// A server under test. What was started for it is killed when dropped.
pub(super) struct Host {
    pub(super) door: Door,
    /// Where to publish; none if nobody is to.
    pub(super) broker: Option<SocketAddr>,
    /// What the server is, for the report.
    pub(super) server_name: String,
    /// What the broker is.
    pub(super) broker_name: &'static str,
    server: Option<u32>,
    /// Whether it was started here.
    is_ours: bool,
    _children: Vec<Child>,
    _folder: TempDir,
}

/// How a server is started.
pub(super) struct Start<'a> {
    /// Which one, if another than this program.
    pub(super) other: Option<&'a UnderTest>,
    /// Its database, if there is one already.
    pub(super) database_url: Option<&'a str>,
    /// Clients that will come.
    pub(super) clients: usize,
    /// Whether somebody will publish.
    pub(super) needs_broker: bool,
}

impl Host {
    pub(super) async fn start(start: Start<'_>) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut children = Vec::new();
        let given = start.other.and_then(|other| other.mqtt.as_ref());
        let mut broker = given.map(|url| address_of(url.expose(), 1883)).transpose()?;
        let mut broker_name = "given";
        if broker.is_none()
            && start.needs_broker
            && let Some((child, address)) = mosquitto(folder.path()).await?
        {
            children.push(child);
            broker = Some(address);
            broker_name = "mosquitto";
        }
        let other = start.other.and_then(|other| Some((other.server.as_ref()?, other.server_pid)));
        if let Some((url, server)) = other {
            let path = if url.path() == "/" { "/api/ws" } else { url.path() };
            let door = Door { address: address_of(url, 80)?, path: path.to_owned(), from: None };
            let server_name = url.to_string();
            let host = Self {
                door,
                broker,
                server_name,
                broker_name,
                server,
                is_ours: false,
                _children: children,
                _folder: folder,
            };
            return Ok(host);
        }
        let own = format!("sqlite:{}", folder.path().join("geocast.db").display());
        let mut serve = this_program()?;
        serve.args(["serve", "--listen", "127.0.0.1:0", "--broker-listen", "127.0.0.1:0"]);
        serve.args(["--max-connections", &(start.clients + 1000).to_string()]);
        serve.args(["--database-url", start.database_url.unwrap_or(&own)]);
        if let Some(broker) = broker {
            serve.args(["--mqtt-url", &format!("mqtt://{broker}")]);
        }
        let log = folder.path().join("server.log");
        let mut child = started(SERVER_CORE, serve, &log)?;
        let address = logged(&mut child, &log, "listening on http://").await?;
        let door = Door { address: address.parse()?, path: "/api/ws".to_owned(), from: None };
        if broker.is_none() {
            broker_name = "embedded";
            let address = logged(&mut child, &log, "broker listening on mqtt://").await?;
            broker = Some(address.parse()?);
        } else {
            logged(&mut child, &log, ": connected").await?;
        }
        let server = child.id();
        children.push(child);
        let server_name = concat!("geocast ", env!("CARGO_PKG_VERSION")).to_owned();
        let is_ours = true;
        Ok(Self {
            door,
            broker,
            server_name,
            broker_name,
            server,
            is_ours,
            _children: children,
            _folder: folder,
        })
    }

    /// Says what it is and where it runs.
    pub(super) fn describe(&self, report: &mut Report) {
        let has_places = cores() > LOAD_CORE;
        let on = |core| if has_places { format!("core {core}") } else { "any core".to_owned() };
        let server_on = if self.is_ours { on(SERVER_CORE) } else { "its own".to_owned() };
        report.parameter("server", self.server_name.clone());
        report.parameter("serverOn", server_on);
        report.parameter("loadOn", on(LOAD_CORE));
        report.parameter("broker", self.broker_name);
    }

    /// The process of the server, if it is known.
    pub(super) fn process(&self) -> Option<u32> {
        self.server
    }

    /// What the server has spent; nothing if its process is not known.
    pub(super) fn cpu(&self) -> anyhow::Result<Option<Cpu>> {
        self.server.map(cpu_of).transpose()
    }

    /// What the server holds; nothing if its process is not known.
    pub(super) fn memory(&self) -> anyhow::Result<Option<Memory>> {
        self.server.map(memory_of).transpose()
    }

    /// Waits until the server has nothing more to do, for a minute at most.
    pub(super) async fn rests(&self) -> anyhow::Result<()> {
        const SPAN: Duration = Duration::from_millis(500);
        let began_ns = now_ns();
        while Duration::from_nanos(now_ns() - began_ns) < Duration::from_mins(1) {
            let before = self.cpu()?;
            sleep(SPAN).await;
            let Some((now, before)) = self.cpu()?.zip(before) else {
                return Ok(());
            };
            if now.since(before).total < SPAN / 20 {
                return Ok(());
            }
        }
        bail!("the server does not come to rest")
    }
}

/// This program, as it would run without the settings of whoever runs it.
pub(super) fn this_program() -> anyhow::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("GEOCAST_")) {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::null());
    Ok(command)
}

/// A mosquitto on a free port; none where it is not installed.
async fn mosquitto(folder: &Path) -> anyhow::Result<Option<(Child, SocketAddr)>> {
    let places = ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/opt/homebrew/sbin"];
    let mut paths = places.iter().map(|place| PathBuf::from(place).join("mosquitto"));
    let Some(program) = paths.find(|path| path.exists()) else { return Ok(None) };
    // Between the choice of a free port and its use, somebody else may take it.
    for _ in 0..5 {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let config = folder.join("mosquitto.conf");
        let text = format!(
            "listener {} 127.0.0.1\nallow_anonymous true\npersistence false\nset_tcp_nodelay true\n\
             max_queued_messages 0\nmax_inflight_messages 0\nlog_dest stderr\nlog_type error\n",
            address.port()
        );
        fs::write(&config, text)?;
        let mut command = Command::new(&program);
        command.arg("-c").arg(&config).stdin(Stdio::null());
        let mut child = started(LOAD_CORE, command, &folder.join("mosquitto.log"))?;
        let began_ns = now_ns();
        while child.try_wait()?.is_none() {
            if TcpStream::connect(address).await.is_ok() {
                return Ok(Some((child, address)));
            }
            if Duration::from_nanos(now_ns() - began_ns) > PATIENCE {
                break;
            }
            sleep(LOOK).await;
        }
    }
    let log = fs::read_to_string(folder.join("mosquitto.log")).unwrap_or_default();
    bail!("mosquitto does not start: {log}")
}

fn started(core: usize, mut command: Command, log: &Path) -> anyhow::Result<Child> {
    command.stdout(Stdio::null()).stderr(File::create(log)?).env("NO_COLOR", "1");
    Ok(start_on(core, command)?)
}

/// Waits for a line with `start` in it, and answers what follows up to the next blank.
async fn logged(child: &mut Child, log: &Path, start: &str) -> anyhow::Result<String> {
    let began_ns = now_ns();
    loop {
        let ended = child.try_wait()?;
        let text = fs::read_to_string(log)?;
        if let Some((_, rest)) = text.split_once(start)
            && rest.contains('\n')
        {
            return Ok(rest.split_whitespace().next().unwrap_or_default().to_owned());
        }
        if ended.is_some() || Duration::from_nanos(now_ns() - began_ns) > PATIENCE {
            bail!("the server does not come up: {}", text.lines().last().unwrap_or_default());
        }
        sleep(LOOK).await;
    }
}

fn address_of(url: &Url, port: u16) -> anyhow::Result<SocketAddr> {
    let (host, port) = (url.host_str().unwrap_or_default(), url.port().unwrap_or(port));
    let mut found = (host.trim_matches(['[', ']']), port).to_socket_addrs()?;
    found.next().with_context(|| format!("{host} has no address"))
}

//! The whole way: a real broker, the built binary, and a publisher that saturates them.

use std::{
    error::Error,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use geocast::capture::mpk::Writer;

use crate::{
    PATIENCE,
    cpu::{Cost, Meter},
    mosquitto::Mosquitto,
    traffic::Publish,
};

/// Killed when dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn geocast(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_geocast"));
    command.args(arguments).env("NO_COLOR", "1");
    command
}

/// From the first publish to the last acknowledgement. An error if anything is lost.
pub(crate) async fn run(
    database: &str,
    folder: &Path,
    publishes: &[Publish],
) -> Result<Cost, Box<dyn Error>> {
    let recording = folder.join("publishes.mpk");
    let mut writer = Writer::new(std::fs::File::create(&recording)?)?;
    for publish in publishes {
        writer.write(publish.t_ms, &publish.topic, &publish.payload)?;
    }
    writer.flush()?;
    let broker = Mosquitto::with(
        "allow_anonymous true\nmax_queued_messages 0\nmax_inflight_messages 0\npersistence false",
    );
    let serve = ["serve", "--listen", "127.0.0.1:0", "--mqtt-url", &broker.url()];
    let process = geocast(&[&serve[..], &["--database-url", database]].concat())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut server = Running(process);
    let mut log = BufReader::new(server.0.stderr.take().ok_or("no log")?).lines();
    let mut address = None;
    for line in log.by_ref() {
        let line = line?;
        if let Some((_, at)) = line.split_once("listening on http://") {
            address = Some(at.trim().to_owned());
        }
        if line.contains(": connected") {
            break;
        }
    }
    let address = address.ok_or("geocast does not listen")?;
    // Read on, or the pipe fills.
    std::thread::spawn(move || log.for_each(drop));

    let meter = Meter::of(&server.0.id().to_string())?;
    let replay = ["replay", "--mqtt-url", &broker.url(), "--qos", "1"];
    let replay = geocast(&replay).arg(&recording).stdout(Stdio::null()).status()?;
    if !replay.success() {
        return Err("replay failed".into());
    }
    let begun = Instant::now();
    while settled(&address).await? < publishes.len() as u64 {
        if begun.elapsed() > PATIENCE {
            return Err("not everything was stored".into());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    meter.read()
}

/// Messages that were stored or refused.
async fn settled(address: &str) -> Result<u64, Box<dyn Error>> {
    let text = reqwest::get(format!("http://{address}/metrics")).await?.text().await?;
    let counted = ["geocast_receptions_stored_total", "geocast_packets_refused_total"];
    let lines = text.lines().filter(|line| counted.iter().any(|name| line.starts_with(name)));
    let values = lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok());
    Ok(values.sum())
}

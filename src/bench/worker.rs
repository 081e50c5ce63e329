//! A load process, seen from the benchmark that started it.

use std::process::Stdio;

use anyhow::Context;
use serde::{Serialize, de::DeserializeOwned};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout},
};

use super::{
    host::this_program,
    load::{Job, Order},
    machine::{LOAD_CORE, start_on},
    usage::{Cpu, cpu_of},
};

/// A load process. It is killed when dropped.
pub(super) struct Worker {
    child: Child,
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Worker {
    pub(super) async fn start(job: &Job) -> anyhow::Result<Self> {
        let mut command = this_program()?;
        command.arg("bench-load").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = start_on(LOAD_CORE, command)?;
        let orders = child.stdin.take().context("no way to tell a load process anything")?;
        let answers = child.stdout.take().context("no way to hear a load process")?;
        let answers = BufReader::new(answers).lines();
        let mut worker = Self { child, orders, answers };
        worker.tell(job).await?;
        Ok(worker)
    }

    /// Tells it something.
    pub(super) async fn tell(&mut self, order: &impl Serialize) -> anyhow::Result<()> {
        let mut line = serde_json::to_vec(order)?;
        line.push(b'\n');
        self.orders.write_all(&line).await?;
        Ok(self.orders.flush().await?)
    }

    /// Waits for what it answers.
    pub(super) async fn hear<A: DeserializeOwned>(&mut self) -> anyhow::Result<A> {
        let line = self.answers.next_line().await?;
        let line = line.context("a load process ended; what is wrong stands above")?;
        Ok(serde_json::from_str(&line)?)
    }

    /// Tells clients something and waits for the answer.
    pub(super) async fn ask<A: DeserializeOwned>(&mut self, order: &Order) -> anyhow::Result<A> {
        self.tell(order).await?;
        self.hear().await
    }

    /// What it has spent.
    pub(super) fn cpu(&self) -> anyhow::Result<Cpu> {
        cpu_of(self.child.id().context("a load process has ended")?)
    }
}

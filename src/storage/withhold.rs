//! What is not to be stored any more: who is kept out, and what another policy withholds.

use async_trait::async_trait;
use tokio::sync::oneshot;

use super::StoreError;
use crate::domain::{
    NodeId, Remark,
    policy::{Left, Policy},
};

/// Somebody who is kept out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptOutRow {
    /// Who.
    pub node: NodeId,
    /// Since when, and why.
    pub left: Left,
    /// Whether everything that was stored of the node is gone.
    pub erased: bool,
}

/// An administrator's wish that a node be forgotten.
#[derive(Debug)]
pub struct Removal {
    /// Which.
    pub node: NodeId,
    /// Told when nothing of it is left.
    pub done: oneshot::Sender<Result<(), StoreError>>,
}

/// How far erasing a node has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Erasure {
    /// What it said itself.
    #[default]
    Own,
    /// What others say of it: from here on.
    Mentions(i64),
}

/// How far holding what is stored to a policy has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reapplied {
    /// Nodes up to this one.
    Nodes(String),
    /// Packets up to this one: sender, number, time received or row.
    Packets(String, i64, i64),
    /// Positions up to this one: time and packet.
    Positions(i64, i64),
    /// Texts and marked places up to this one: time and packet.
    Messages(i64, i64),
    /// Links up to this one: time and row.
    Links(i64, i64),
    /// What nodes said while they were outside the region, up to this node.
    Outside(String),
}

impl Default for Reapplied {
    fn default() -> Self {
        Self::Nodes(String::new())
    }
}

/// The part of a store that withholds. Each call is one short transaction, or a few.
#[async_trait]
pub trait Withhold: Send + Sync {
    /// Everybody who is kept out.
    async fn kept_out(&self) -> Result<Vec<KeptOutRow>, StoreError>;

    /// Since when this node is kept out, and why, if it is.
    async fn left(&self, node: &NodeId) -> Result<Option<Left>, StoreError>;

    /// Adds to what is remembered of why nodes are not shown. Limited in number; the oldest go.
    async fn note_refusals(&self, refusals: &[(NodeId, Remark)]) -> Result<(), StoreError>;

    /// What is remembered of that, the oldest first.
    async fn refusals(&self) -> Result<Vec<(NodeId, Remark)>, StoreError>;

    /// A number that grows with every change of who is kept out.
    async fn kept_out_changes(&self) -> Result<i64, StoreError>;

    /// Keeps a node out. Where that erases, its state goes at once, and the rest by
    /// [`erase`](Self::erase).
    async fn keep_out(&self, node: &NodeId, left: Left) -> Result<(), StoreError>;

    /// Lets a node in again; says whether it was kept out.
    async fn let_in(&self, node: &NodeId) -> Result<bool, StoreError>;

    /// Removes some of what is stored of a node, about so many rows of each table, and says where
    /// to go on. None says that all of it is gone, and notes that of one who is kept out.
    async fn erase(
        &self,
        node: &NodeId,
        from: Erasure,
        rows: u32,
    ) -> Result<Option<Erasure>, StoreError>;

    /// The fingerprint of the policy that everything stored was held to, if there was one.
    async fn policy_applied(&self) -> Result<Option<u64>, StoreError>;

    /// Notes that everything stored was held to the policy with this fingerprint.
    async fn set_policy_applied(&self, fingerprint: u64) -> Result<(), StoreError>;

    /// Holds some of what is stored to a policy, about so many rows, and says where to go on. Nodes
    /// whose names say so are kept out, and are still to be erased then.
    async fn reapply(
        &self,
        policy: &Policy,
        from: Reapplied,
        rows: u32,
    ) -> Result<Option<Reapplied>, StoreError>;
}

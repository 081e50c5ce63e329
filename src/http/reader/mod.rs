//! The other side of the conversation: what a client holds that knows nothing but the published
//! rules. The law is checked with it, and `geocast bench` reads with it.

use std::collections::BTreeMap;

use serde_json::Value;
use thiserror::Error;

use crate::broadcast::Encoding;

mod binary;
mod mirror;

pub(super) use binary::Binary;
pub use mirror::Mirror;

/// What a server said is against the rules.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct Broken(String);

impl Broken {
    fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }
}

/// A client that reads frames of one encoding and holds what they say.
#[derive(Clone, Debug, Default)]
pub struct Reader {
    encoding: Encoding,
    binary: Binary,
    mirror: Mirror,
}

impl Reader {
    /// One who speaks this encoding and holds nothing.
    pub fn new(encoding: Encoding) -> Self {
        Self { encoding, ..Self::default() }
    }

    /// Takes in a frame, and answers what it said, as it stands in JSON.
    pub fn read(&mut self, frame: &[u8]) -> Result<Value, Broken> {
        let message = self.binary.message(self.encoding, frame, &self.mirror)?;
        self.mirror.hear(&message)?;
        Ok(message)
    }

    /// The nodes that it holds, by id.
    pub fn held(&self) -> &BTreeMap<String, Value> {
        &self.mirror.held
    }

    /// The revision of which it has applied every frame; none while a picture is incomplete.
    pub fn revision(&self) -> Option<u64> {
        self.mirror.revision
    }
}

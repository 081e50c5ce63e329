//! What was written of a node, kept with it.

use std::{fmt, sync::OnceLock};

/// The record of a node as it was once written for those it is shown to: as long as the node stays
/// as it is, nobody has to write it again. What the bytes mean is known to whoever writes them.
///
/// No part of the node's state: two nodes are equal whatever was written of them, and a copy, which
/// is made to be changed, begins without.
#[derive(Default)]
pub struct Written(OnceLock<Box<[u8]>>);

impl Written {
    /// What was written, or what `write` writes now. Two may write at the same time: then both
    /// write the same, and one of it is kept.
    pub fn get_or_write(&self, write: impl FnOnce() -> Vec<u8>) -> &[u8] {
        self.0.get_or_init(|| write().into_boxed_slice())
    }
}

impl Clone for Written {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl PartialEq for Written {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

impl fmt::Debug for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Written")
    }
}

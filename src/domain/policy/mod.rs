//! What may be kept and shown: one decision for every packet, before anything else sees it.

mod cell;
mod decide;
mod flow;
mod kept_out;
mod place;
mod rules;
mod stored;
#[cfg(test)]
mod tests;

pub use decide::{Decision, Denial, Stripped, Veil};
pub use flow::{Flow, Merged};
pub use kept_out::{KeptOut, Left, Standing, Why};
pub use place::{HomeZone, InvalidRegion, Region};
pub use rules::{Origin, PositionRate, Precision, Rules, SourceRules, Treatment};
pub use stored::{Past, Row, RowVerdict, StateVerdict, without};

use std::sync::Arc;

/// What an operator allows: rules for every source, and others for some.
///
/// The same packet under the same rules comes to the same, and what was decided once is not changed
/// by being decided again.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Policy {
    /// What holds unless a source has rules of its own.
    pub general: Rules,
    /// Rules of single sources. The longest match holds.
    pub sources: Vec<SourceRules>,
}

impl Policy {
    /// The rules for what comes over `origin`, and their name unless they are the general ones.
    pub fn rules_for(&self, origin: &Origin<'_>) -> (&Rules, Option<&Arc<str>>) {
        let fits = self.sources.iter().filter(|source| source.fits(origin));
        match fits.max_by_key(|source| source.weight()) {
            Some(source) => (&source.rules, Some(&source.name)),
            None => (&self.general, None),
        }
    }

    /// The rules of this name; the general ones if they are gone.
    pub fn rules_named(&self, name: Option<&str>) -> &Rules {
        let named = name.and_then(|name| self.sources.iter().find(|one| *one.name == *name));
        named.map_or(&self.general, |source| &source.rules)
    }

    /// Another policy has another fingerprint. It stays the same from one build to the next, and
    /// tells nothing of what is in it.
    pub fn fingerprint(&self) -> u64 {
        // The 64-bit FNV-1a hash (RFC 9923).
        format!("{self:?}").bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
    }
}

//! The conversation in protocol buffers, as `geocast.v1.proto` has it.

mod column;
mod columns;
mod decimal;
mod frames;
mod heard;
pub(super) mod messages;
#[cfg(test)]
mod pairs;
pub(super) mod reading;
mod records;
mod rows;
#[cfg(test)]
mod strategies;

pub(super) use frames::{
    BINDING, ProtoTicks, encode, head, lead, missed, part, part_in_columns, write_record,
};
pub(super) use heard::decode;

/// For whoever wants to generate a client.
pub(super) const DESCRIPTION: &str = include_str!("../geocast.v1.proto");

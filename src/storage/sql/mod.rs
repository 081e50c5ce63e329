//! What the databases share: rows as they are written, columns as they are read, and the
//! questions about histories. Every statement here means the same in each of them.

pub(super) mod access;
pub(super) mod analysis;
pub(super) mod columns;
pub(super) mod cursor;
pub(super) mod heard;
pub(super) mod history;
pub(super) mod migrations;
pub(super) mod nodes;
pub(super) mod reapply;
pub(super) mod rows;
pub(super) mod rules;
mod state;
pub(super) mod visits;
pub(super) mod withhold;

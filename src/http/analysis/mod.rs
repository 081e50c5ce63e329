//! Histories taken together: tracks, series of readings, links, gateways, and totals.

mod buckets;
mod gateways;
mod links;
mod params;
mod series;
mod totals;
mod track;
mod written;

pub(super) use gateways::gateways;
pub(super) use links::links;
pub(super) use series::telemetry;
pub(super) use totals::totals;
pub(super) use track::track;

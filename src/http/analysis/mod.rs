//! Histories taken together: tracks, series of readings, links, gateways, and totals.

mod buckets;
mod gateways;
mod links;
mod params;
mod series;
mod totals;
mod track;
mod written;

pub(super) use gateways::{GatewaysPage, GatewaysQuery, gateways};
pub(super) use links::{LinksPage, LinksQuery, links};
pub(super) use series::{SeriesPage, SeriesQuery, telemetry};
pub(super) use totals::{TotalsPage, TotalsQuery, totals};
pub(super) use track::{TrackQuery, track};

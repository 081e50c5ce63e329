//! Links between the resources.

use schemars::JsonSchema;
use serde::Serialize;

use super::super::base::Base;

pub(super) const JSON: &str = "application/json";
pub(super) const GEOJSON: &str = "application/geo+json";

/// One link (RFC 8288), as a member of what it stands in.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Link {
    href: String,
    rel: &'static str,
    r#type: &'static str,
    title: &'static str,
}

impl Link {
    /// To a path of ours.
    pub(super) fn to(
        base: &Base,
        path: &str,
        rel: &'static str,
        kind: &'static str,
        title: &'static str,
    ) -> Self {
        Self { href: base.url(path), rel, r#type: kind, title }
    }
}

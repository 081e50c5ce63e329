//! `/metrics`: counters for Prometheus, as OpenMetrics or in the older text format 0.0.4, whichever
//! the client prefers.

use std::{collections::HashSet, sync::Arc};

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use prometheus_client::{encoding::text, registry::Registry};

const OPENMETRICS: &str = "application/openmetrics-text";

/// `GET /metrics`
pub(super) async fn metrics(State(registry): State<Arc<Registry>>, headers: HeaderMap) -> Response {
    let mut body = String::new();
    if text::encode(&mut body, &registry).is_err() {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    let (kind, body) = if prefers_openmetrics(&headers) {
        ("application/openmetrics-text; version=1.0.0; charset=utf-8", body)
    } else {
        ("text/plain; version=0.0.4; charset=utf-8", older(&body))
    };
    ([(header::CONTENT_TYPE, kind), (header::VARY, "accept")], body).into_response()
}

/// Whether the client names OpenMetrics, and likes nothing better.
fn prefers_openmetrics(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(header::ACCEPT).iter().filter_map(|line| line.to_str().ok());
    let (mut named, mut other) = (0.0_f32, 0.0_f32);
    for choice in lines.flat_map(|line| line.split(',')) {
        let mut words = choice.split(';').map(str::trim);
        let kind = words.next().unwrap_or_default();
        let weight = words.find_map(|word| word.strip_prefix("q=")?.parse().ok()).unwrap_or(1.0);
        let best = if kind.eq_ignore_ascii_case(OPENMETRICS) { &mut named } else { &mut other };
        *best = best.max(weight);
    }
    named > 0.0 && named >= other
}

/// The same in the text format 0.0.4: there a counter is called as its one series is, and units and
/// the end are not marked.
fn older(openmetrics: &str) -> String {
    let counters: HashSet<&str> = openmetrics
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter"))
        .collect();
    let mut text = String::with_capacity(openmetrics.len());
    for line in openmetrics.lines() {
        if line == "# EOF" || line.starts_with("# UNIT ") {
            continue;
        }
        let mut words = line.splitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("#"), Some(about), Some(name), Some(rest)) if counters.contains(name) => {
                text.extend(["# ", about, " ", name, "_total ", rest]);
            }
            _ => text.push_str(line),
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use prometheus_client::{metrics::counter::Counter, metrics::gauge::Gauge, registry::Unit};

    use super::*;

    #[test]
    fn the_older_format_calls_a_counter_as_its_series() {
        let mut registry = Registry::with_prefix("geocast");
        registry.register("ticks", "Ticks sealed", Counter::<u64>::default());
        registry.register("nodes", "Nodes # TYPE here", Gauge::<i64>::default());
        registry.register_with_unit("lag", "Lag", Unit::Seconds, Gauge::<i64>::default());
        let mut openmetrics = String::new();
        text::encode(&mut openmetrics, &registry).unwrap();
        assert_eq!(
            older(&openmetrics),
            "# HELP geocast_ticks_total Ticks sealed.\n# TYPE geocast_ticks_total counter\n\
             geocast_ticks_total 0\n\
             # HELP geocast_nodes Nodes # TYPE here.\n# TYPE geocast_nodes gauge\ngeocast_nodes 0\n\
             # HELP geocast_lag_seconds Lag.\n# TYPE geocast_lag_seconds gauge\n\
             geocast_lag_seconds 0\n"
        );
    }

    #[test]
    fn openmetrics_is_for_those_who_like_it_best() {
        let prefers = |accept: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, accept.parse().unwrap());
            prefers_openmetrics(&headers)
        };
        let prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,\
             application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        assert!(prefers(prometheus));
        assert!(prefers("application/openmetrics-text"));
        for accept in [
            "*/*",
            "text/plain",
            "text/plain, application/openmetrics-text;q=0.1",
            "application/openmetrics-text;q=0",
        ] {
            assert!(!prefers(accept), "{accept}");
        }
        assert!(!prefers_openmetrics(&HeaderMap::new()));
    }
}

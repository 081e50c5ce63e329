//! The queries of URLs: a filter for the live map, and questions about now and then.
#![no_main]

use geocast::http::fuzzing::{filter, questions};
use geocast_fuzz::is_sound;
use http::Uri;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|query: &str| {
    if let Some(filter) = filter(query) {
        assert!(is_sound(&filter), "{filter:?}");
    }
    if let Ok(url) = format!("/api/nodes?{query}").parse::<Uri>() {
        questions(&url);
    }
});

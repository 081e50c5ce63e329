//! Where a client of Server-Sent Events left off, as its browser says it back.
#![no_main]

use geocast::http::fuzzing::event_id;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Some(said) = event_id(text) {
        assert_eq!(event_id(&said), Some(said));
    }
});

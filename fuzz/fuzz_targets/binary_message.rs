//! A binary frame of a client.
#![no_main]

use geocast::http::fuzzing::binary_message;
use geocast_fuzz::is_sound;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    match binary_message(bytes) {
        Ok(Some(filter)) => assert!(is_sound(&filter), "{filter:?}"),
        Ok(None) => {}
        Err(answer) => assert!(!answer.is_empty()),
    }
});

//! Where a page of a history ended, as a client says it back.
#![no_main]

use geocast::storage::fuzzing::cursor;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Some(said) = cursor(text) {
        assert_eq!(said, text);
    }
});

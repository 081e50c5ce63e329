//! What the last run left in the database.
#![no_main]

use geocast::storage::fuzzing::continuation;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Some(again) = continuation(bytes) {
        assert_eq!(continuation(&again).as_ref(), Some(&again));
    }
});

//! A text frame of a client.
#![no_main]

use geocast::http::fuzzing::text_message;
use geocast_fuzz::is_sound;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|text: &str| {
    match text_message(text) {
        Ok(Some(filter)) => assert!(is_sound(&filter), "{filter:?}"),
        Ok(None) => {}
        Err(answer) => {
            let answer: Value = serde_json::from_slice(&answer).expect("an answer is JSON");
            assert!(matches!(answer["type"].as_str(), Some("error" | "pong")), "{answer}");
        }
    }
});

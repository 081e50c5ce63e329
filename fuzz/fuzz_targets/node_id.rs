//! The name of a node, as it stands in URLs and messages.
#![no_main]

use geocast::domain::NodeId;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(id) = text.parse::<NodeId>() else { return };
    let said = id.to_string();
    assert!(matches!(said.len(), 1..=64), "{said:?}");
    assert!(!said.contains(char::is_control), "{said:?}");
    assert_eq!(said.parse(), Ok(id));
});

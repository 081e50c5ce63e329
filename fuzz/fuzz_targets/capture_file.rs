//! A recording of MQTT messages.
#![no_main]

use geocast::capture::mpk::{MpkError, Reader, Writer};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|file: &[u8]| {
    let Ok(mut reader) = Reader::new(file) else { return };
    let mut again = Vec::new();
    let mut writer = Writer::new(&mut again).expect("memory takes what is written");
    let mut records = 0;
    let error = reader.by_ref().find_map(|record| match record {
        Ok(record) => {
            records += 1;
            writer.write(record.t_ms, &record.topic, &record.payload).expect("it fitted before");
            None
        }
        Err(error) => Some(error),
    });
    assert_eq!(reader.offset(), again.len() as u64);
    assert!(file.starts_with(&again), "{records} records written again");
    match error {
        None => assert_eq!(again.len(), file.len()),
        Some(MpkError::Truncated { offset, records: whole }) => {
            assert_eq!((offset, whole), (again.len() as u64, records));
        }
        Some(MpkError::Topic { offset }) => assert_eq!(offset, again.len() as u64),
        Some(other) => panic!("{other}"),
    }
});

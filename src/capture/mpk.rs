//! The .mpk format: MQTT messages one after another, with the time at which each came.
//!
//! `MSHPK001`, then records: `u32` milliseconds since the start, `u16` bytes of topic, `u32` bytes
//! of payload, topic (UTF-8), payload; numbers little endian. There is no index and no end mark,
//! so a recording that was cut off is whole up to its last complete record.

use std::io::{self, Read, Write};

use thiserror::Error;

/// How a file begins.
pub const MAGIC: &[u8; 8] = b"MSHPK001";

/// Bytes of a record before its topic.
const HEADER_BYTES: usize = 10;

/// One message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// When it came, in milliseconds since the recording began. Stays at the largest number once
    /// that is reached, after 49 days.
    pub t_ms: u32,
    /// The topic.
    pub topic: String,
    /// The payload.
    pub payload: Vec<u8>,
}

/// Why a recording cannot be read or written.
#[derive(Debug, Error)]
pub enum MpkError {
    /// The file does not begin with [`MAGIC`].
    #[error("not an .mpk file: it does not begin with MSHPK001")]
    NotMpk,
    /// The file ends within a record: the recording was cut off. What came before is whole.
    #[error("the file ends within the record at byte {offset}, after {records} whole records")]
    Truncated {
        /// Where the last record begins.
        offset: u64,
        /// How many whole ones are before it.
        records: u64,
    },
    /// A topic is not text, so this is no recording, or a damaged one.
    #[error("the topic of the record at byte {offset} is not UTF-8")]
    Topic {
        /// Where the record begins.
        offset: u64,
    },
    /// A topic above 65,535 bytes or a payload of 4 GiB, neither of which MQTT knows.
    #[error("a message too long to be recorded")]
    TooLong,
    /// The file cannot be read or written.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Writes a recording.
#[derive(Debug)]
pub struct Writer<W> {
    out: W,
}

impl<W: Write> Writer<W> {
    /// Begins a recording: writes how it begins, through to `out`.
    pub fn new(mut out: W) -> io::Result<Self> {
        out.write_all(MAGIC)?;
        out.flush()?;
        Ok(Self { out })
    }

    /// Writes one message, and returns its size in the file in bytes.
    pub fn write(&mut self, t_ms: u32, topic: &str, payload: &[u8]) -> Result<u64, MpkError> {
        let topic_len = u16::try_from(topic.len()).map_err(|_too_long| MpkError::TooLong)?;
        let payload_len = u32::try_from(payload.len()).map_err(|_too_long| MpkError::TooLong)?;
        self.out.write_all(&t_ms.to_le_bytes())?;
        self.out.write_all(&topic_len.to_le_bytes())?;
        self.out.write_all(&payload_len.to_le_bytes())?;
        self.out.write_all(topic.as_bytes())?;
        self.out.write_all(payload)?;
        Ok(HEADER_BYTES as u64 + u64::from(topic_len) + u64::from(payload_len))
    }

    /// Hands everything written to the system, so that the file is readable though the program
    /// be killed.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Reads a recording, record by record; the first error is the last item.
#[derive(Debug)]
pub struct Reader<R> {
    input: R,
    offset: u64,
    records: u64,
    ended: bool,
}

impl<R: Read> Reader<R> {
    /// Reads how the file begins. `input` should be buffered.
    pub fn new(mut input: R) -> Result<Self, MpkError> {
        let mut magic = Vec::with_capacity(MAGIC.len());
        input.by_ref().take(MAGIC.len() as u64).read_to_end(&mut magic)?;
        if magic != MAGIC {
            return Err(MpkError::NotMpk);
        }
        Ok(Self { input, offset: MAGIC.len() as u64, records: 0, ended: false })
    }

    /// How far it has read, in bytes of whole records.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    fn read(&mut self) -> Result<Option<Record>, MpkError> {
        let header = self.bytes(HEADER_BYTES as u64)?;
        if header.is_empty() {
            return Ok(None);
        }
        let offset = self.offset;
        let truncated = MpkError::Truncated { offset, records: self.records };
        let [t0, t1, t2, t3, n0, n1, p0, p1, p2, p3] = header[..] else { return Err(truncated) };
        let topic_len = u64::from(u16::from_le_bytes([n0, n1]));
        let payload_len = u64::from(u32::from_le_bytes([p0, p1, p2, p3]));
        let topic = self.bytes(topic_len)?;
        let payload = self.bytes(payload_len)?;
        if topic.len() as u64 != topic_len || payload.len() as u64 != payload_len {
            return Err(truncated);
        }
        let topic = String::from_utf8(topic).map_err(|_not_utf8| MpkError::Topic { offset })?;
        self.offset += HEADER_BYTES as u64 + topic_len + payload_len;
        self.records += 1;
        Ok(Some(Record { t_ms: u32::from_le_bytes([t0, t1, t2, t3]), topic, payload }))
    }

    /// The next `wanted` bytes; fewer where the file ends. Memory is taken for what is there, not
    /// for what a damaged length promises.
    fn bytes(&mut self, wanted: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.input.by_ref().take(wanted).read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

impl<R: Read> Iterator for Reader<R> {
    type Item = Result<Record, MpkError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let record = self.read().transpose();
        self.ended = !matches!(record, Some(Ok(_)));
        record
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn records() -> impl Strategy<Value = Vec<Record>> {
        let record = (any::<u32>(), ".{0,20}", vec(any::<u8>(), 0..40));
        vec(record.prop_map(|(t_ms, topic, payload)| Record { t_ms, topic, payload }), 0..12)
    }

    /// The file, and where each record begins; last, where it ends.
    fn written(records: &[Record]) -> (Vec<u8>, Vec<u64>) {
        let mut file = Vec::new();
        let mut writer = Writer::new(&mut file).unwrap();
        let mut offsets = vec![MAGIC.len() as u64];
        for record in records {
            let bytes = writer.write(record.t_ms, &record.topic, &record.payload).unwrap();
            offsets.push(offsets.last().unwrap() + bytes);
        }
        (file, offsets)
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(records in records()) {
            let (file, offsets) = written(&records);
            let mut reader = Reader::new(&*file).unwrap();
            let read: Result<Vec<_>, _> = reader.by_ref().collect();
            prop_assert_eq!(read.unwrap(), records);
            prop_assert_eq!(Some(&reader.offset()), offsets.last());
        }

        #[test]
        fn a_file_cut_off_anywhere_is_whole_up_to_there(records in records(), cut in any::<u64>()) {
            let (file, offsets) = written(&records);
            let length = MAGIC.len() + usize::try_from(cut).unwrap() % (file.len() - 7);
            let whole = offsets.iter().filter(|offset| **offset <= length as u64).count() - 1;
            let mut reader = Reader::new(&file[..length]).unwrap();
            for record in &records[..whole] {
                prop_assert_eq!(&reader.next().unwrap().unwrap(), record);
            }
            match reader.next() {
                None => prop_assert_eq!(offsets[whole], length as u64),
                Some(Err(MpkError::Truncated { offset, records })) => {
                    prop_assert_eq!(offset, offsets[whole]);
                    prop_assert_eq!(records, whole as u64);
                }
                other => prop_assert!(false, "{:?}", other),
            }
            prop_assert!(reader.next().is_none());
        }

        #[test]
        fn no_bytes_break_the_reader(bytes in vec(any::<u8>(), 0..200)) {
            let file = [&MAGIC[..], &bytes].concat();
            prop_assert!(Reader::new(&*file).unwrap().count() <= 21);
        }
    }

    #[test]
    fn a_file_of_something_else_is_refused() {
        for file in [&b""[..], b"MSHPK00", b"MSHPK002", b"SQLite format 3"] {
            assert!(matches!(Reader::new(file), Err(MpkError::NotMpk)));
        }
    }

    #[test]
    fn a_topic_that_is_not_text_is_named_by_its_place() {
        let (mut file, offsets) =
            written(&[Record::default(), Record { topic: "x".into(), ..Record::default() }]);
        *file.last_mut().unwrap() = 0xff;
        let error = Reader::new(&*file).unwrap().nth(1).unwrap().unwrap_err();
        assert!(matches!(error, MpkError::Topic { offset } if offset == offsets[1]));
    }
}

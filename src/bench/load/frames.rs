//! WebSocket frames as a client reads them: from a buffer that all clients share, with only what
//! is left of a cut-off frame kept for each.

use anyhow::{bail, ensure};

/// Longest frame that is taken.
const MAX_BYTES: u64 = 1 << 30;

/// What came in one frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Came<'a> {
    /// A text or binary message.
    Message(&'a [u8]),
    /// To be answered with the same bytes.
    Ping(&'a [u8]),
    /// An answer to nothing.
    Pong,
    /// The server hangs up, with this code.
    Close(u16),
}

/// What has come of a frame that is not whole.
#[derive(Debug, Default)]
pub(super) struct Rest(Vec<u8>);

impl Rest {
    /// Takes in bytes, and shows every frame that is whole.
    pub(super) fn take(
        &mut self,
        bytes: &[u8],
        mut show: impl FnMut(Came<'_>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        if self.0.is_empty() {
            let left = split(bytes, &mut show)?;
            self.0.extend(left);
            return Ok(());
        }
        self.0.extend(bytes);
        let all = std::mem::take(&mut self.0);
        let left = split(&all, &mut show)?.len();
        // Nothing is kept of a buffer that has done its work: there are many clients.
        self.0 = if left == all.len() { all } else { all[all.len() - left..].to_vec() };
        Ok(())
    }
}

/// Shows the whole frames at the front, and answers the rest.
fn split<'a>(
    mut bytes: &'a [u8],
    show: &mut impl FnMut(Came<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<&'a [u8]> {
    while let Some((head, length)) = head(bytes)? {
        let Some(frame) = bytes.get(head..head + length) else { break };
        let (first, rest) = (bytes[0], &bytes[head + length..]);
        ensure!(first & 0xf0 == 0x80, "a frame that is part of a message, or compressed");
        show(match first & 0xf {
            0x1 | 0x2 => Came::Message(frame),
            0x8 => Came::Close(frame.first_chunk().map_or(1005, |code| u16::from_be_bytes(*code))),
            0x9 => Came::Ping(frame),
            0xa => Came::Pong,
            other => bail!("a frame of the unknown kind {other}"),
        })?;
        bytes = rest;
    }
    Ok(bytes)
}

/// The bytes of the head and of what follows it; none while the head is not whole.
fn head(bytes: &[u8]) -> anyhow::Result<Option<(usize, usize)>> {
    let Some(second) = bytes.get(1) else { return Ok(None) };
    ensure!(second & 0x80 == 0, "a masked frame from a server");
    let (head, length) = match second & 0x7f {
        126 => (4, bytes[2..].first_chunk().map(|length| u16::from_be_bytes(*length).into())),
        127 => (10, bytes[2..].first_chunk().map(|length| u64::from_be_bytes(*length))),
        length => (2, Some(length.into())),
    };
    let Some(length) = length else { return Ok(None) };
    ensure!(length <= MAX_BYTES, "a frame of {length} bytes");
    Ok(Some((head, length as usize)))
}

/// A frame from a client. Its mask is zero, which leaves everything as it is.
pub(super) fn masked(kind: u8, content: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80 | kind];
    match u16::try_from(content.len()) {
        Ok(length @ 0..126) => frame.push(0x80 | length as u8),
        Ok(length) => {
            frame.push(0x80 | 0x7e);
            frame.extend(length.to_be_bytes());
        }
        Err(_) => {
            frame.push(0x80 | 0x7f);
            frame.extend((content.len() as u64).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(content);
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As a server writes it.
    fn frame(kind: u8, content: &[u8]) -> Vec<u8> {
        let mut frame = masked(kind, content);
        let at = frame.len() - content.len();
        frame.drain(at - 4..at);
        frame[1] &= 0x7f;
        frame
    }

    #[test]
    fn frames_are_found_wherever_they_are_cut() {
        let (medium, long) = (vec![7; 300], vec![8; 70_000]);
        let contents: [(u8, &[u8]); 6] =
            [(1, b"text"), (2, &medium), (9, b"ping"), (2, &long), (2, b""), (8, &[3, 233])];
        let all: Vec<u8> = contents.iter().flat_map(|(kind, text)| frame(*kind, text)).collect();
        for step in [1, 2, 3, 299, 70_000, all.len()] {
            let (mut rest, mut seen) = (Rest::default(), Vec::new());
            for bytes in all.chunks(step) {
                rest.take(bytes, |came| {
                    seen.push(match came {
                        Came::Message(message) => (2, message.to_vec()),
                        Came::Ping(message) => (9, message.to_vec()),
                        Came::Pong => (10, Vec::new()),
                        Came::Close(code) => (8, code.to_be_bytes().to_vec()),
                    });
                    Ok(())
                })
                .unwrap();
            }
            assert_eq!(seen.len(), contents.len(), "in steps of {step}");
            for ((_, wanted), (_, content)) in contents.iter().zip(seen) {
                assert_eq!(*wanted, content, "in steps of {step}");
            }
            assert_eq!(rest.0.capacity(), 0);
        }
    }

    #[test]
    fn what_no_server_may_send_is_an_error() {
        for bytes in [
            &masked(1, b"x")[..],
            &[0x83, 0],
            &[0x01, 0],
            &[0xc1, 0],
            &[0x81, 127, 255, 0, 0, 0, 0, 0, 0, 0],
        ] {
            assert!(Rest::default().take(bytes, |_| Ok(())).is_err(), "{bytes:?}");
        }
    }
}

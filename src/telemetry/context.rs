//! Whose trace a span belongs to (W3C Trace Context).

use ring::rand::{SecureRandom, SystemRandom};

/// A span of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Context {
    pub(super) trace: [u8; 16],
    pub(super) span: [u8; 8],
    /// Whether whoever began the trace wants it kept.
    pub(super) is_sampled: bool,
}

impl Context {
    /// What a client says in its header `traceparent`; none if that is no such thing.
    pub(super) fn parse(header: &str) -> Option<Self> {
        let mut parts = header.split('-');
        let version = hex::<1>(parts.next()?)?;
        let (trace, span) = (hex(parts.next()?)?, hex(parts.next()?)?);
        let [flags] = hex(parts.next()?)?;
        // Later versions may say more; this one may not.
        let is_whole = match version {
            [0] => parts.next().is_none(),
            [0xff] => false,
            _ => true,
        };
        let is_named = trace != [0; 16] && span != [0; 8];
        (is_whole && is_named).then_some(Self { trace, span, is_sampled: flags & 1 == 1 })
    }

    /// A new span below `parent`, or of a trace of its own. None without randomness.
    pub(super) fn below(parent: Option<Self>) -> Option<Self> {
        let random = SystemRandom::new();
        let mut span = [0; 8];
        random.fill(&mut span).ok()?;
        let trace = if let Some(parent) = parent {
            parent.trace
        } else {
            let mut trace = [0; 16];
            random.fill(&mut trace).ok()?;
            trace
        };
        Some(Self { trace, span, is_sampled: true })
    }
}

/// Bytes in lower-case hexadecimal digits.
fn hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if text.len() != 2 * N || !text.bytes().all(is_hex) {
        return None;
    }
    let mut bytes = [0; N];
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    const SPAN: &str = "b7ad6b7169203331";

    #[test]
    fn a_parent_is_read_and_a_span_below_it_is_of_its_trace() {
        let parent = Context::parse(&format!("00-{TRACE}-{SPAN}-01")).unwrap();
        assert_eq!((parent.trace[0], parent.trace[15], parent.span[0]), (0x0a, 0x9c, 0xb7));
        assert!(parent.is_sampled);
        assert!(!Context::parse(&format!("00-{TRACE}-{SPAN}-00")).unwrap().is_sampled);
        assert!(Context::parse(&format!("01-{TRACE}-{SPAN}-01-more")).is_some(), "a later version");
        let below = Context::below(Some(parent)).unwrap();
        assert_eq!(below.trace, parent.trace);
        assert_ne!(below.span, parent.span);
        assert_ne!(Context::below(None).unwrap().trace, Context::below(None).unwrap().trace);
    }

    #[test]
    fn what_is_no_parent_is_none() {
        let zeros = "0".repeat(32);
        for wrong in [
            String::new(),
            "00".to_owned(),
            format!("00-{TRACE}-{SPAN}"),
            format!("00-{TRACE}-{SPAN}-01-more"),
            format!("ff-{TRACE}-{SPAN}-01"),
            format!("00-{zeros}-{SPAN}-01"),
            format!("00-{TRACE}-{}-01", "0".repeat(16)),
            format!("00-{}-{SPAN}-01", TRACE.to_uppercase()),
            format!("00-{TRACE}é-{SPAN}-01"),
            format!("00-{}-{SPAN}-01", &TRACE[1..]),
        ] {
            assert_eq!(Context::parse(&wrong), None, "{wrong}");
        }
    }
}

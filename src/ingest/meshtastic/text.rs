//! Names and texts that strangers wrote.

/// Longest name that is kept, in bytes; radios send at most 40.
const MAX_NAME_BYTES: usize = 256;
/// Longest text that is kept, in bytes; radios send at most 233.
const MAX_TEXT_BYTES: usize = 1024;

/// A name without control characters; none if nothing is left of it.
pub(super) fn name(text: &str) -> Option<Box<str>> {
    let name = cut(text, MAX_NAME_BYTES, |_| false);
    (!name.is_empty()).then_some(name)
}

/// A text without control characters other than the ends of its lines.
pub(super) fn words(text: &str) -> Box<str> {
    cut(text, MAX_TEXT_BYTES, |control| matches!(control, '\n' | '\t'))
}

fn cut(text: &str, max_bytes: usize, keep: impl Fn(char) -> bool) -> Box<str> {
    let end = text.floor_char_boundary(max_bytes);
    text[..end].chars().filter(|&c| keep(c) || !c.is_control()).collect::<String>().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_markup_and_every_script_and_lose_control_characters() {
        assert_eq!(name("<b>Größe\0\u{1b}[1m 🛰</b>").unwrap().as_ref(), "<b>Größe[1m 🛰</b>");
        assert_eq!(name("\0\n"), None);
        assert_eq!(words("a\r\n\tb\0").as_ref(), "a\n\tb");
    }

    #[test]
    fn a_long_name_is_cut_between_characters() {
        let long = format!("a{}", "🛰".repeat(100));
        assert_eq!(name(&long).unwrap().len(), 253);
    }
}

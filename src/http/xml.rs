//! Text as XML holds it. Names of nodes are data and may be anything.

use std::fmt;

/// A text that is written so that nothing in it is markup, in an element or in an attribute.
/// Characters that XML 1.0 cannot hold become U+FFFD.
pub(super) struct Escaped<'a>(pub(super) &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&apos;")?,
                // Written as they are, a reader would make blanks of them.
                '\t' | '\n' | '\r' => write!(f, "&#{};", u32::from(c))?,
                '\0'..='\x1f' | '\u{fffe}' | '\u{ffff}' => f.write_char('\u{fffd}')?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_in_a_text_is_markup() {
        let hostile = "]]><script a='1' b=\"2\">&amp;\0\n\u{ffff}";
        assert_eq!(
            Escaped(hostile).to_string(),
            "]]&gt;&lt;script a=&apos;1&apos; b=&quot;2&quot;&gt;&amp;amp;\u{fffd}&#10;\u{fffd}"
        );
    }

    proptest! {
        #[test]
        fn no_text_ends_an_element_or_an_attribute(text in any::<String>()) {
            let written = Escaped(&text).to_string();
            prop_assert!(!written.contains(['<', '>', '"', '\'', '\0', '\n']), "{}", written);
        }
    }
}

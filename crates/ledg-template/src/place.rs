//! Where in a file something stands.

use std::fmt;
use std::ops::Range;

/// A place in a text, as people and editors count: line and column from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Place {
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1.
    pub column: u32,
    start: u32,
    end: u32,
}

impl Place {
    /// The place of a span of bytes; one beyond the end is the end.
    pub fn of(text: &str, span: Range<usize>) -> Place {
        let mut start = span.start.min(text.len());
        while !text.is_char_boundary(start) {
            start -= 1;
        }
        let before = &text[..start];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        // Such files are bounded far below 4 GiB; what lies beyond counts as the end.
        let small = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Place {
            line: small(1 + before.bytes().filter(|b| *b == b'\n').count()),
            column: small(1 + before[line_start..].chars().count()),
            start: small(start),
            end: small(span.end.clamp(start, text.len())),
        }
    }

    /// The bytes of the text that are meant.
    pub fn span(&self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_count_from_one_and_in_characters() {
        let text = "a = 1\né = \"ü\"\n";
        let at = |start| {
            let place = Place::of(text, start..start + 1);
            (place.line, place.column)
        };
        assert_eq!(at(0), (1, 1));
        assert_eq!(at(4), (1, 5));
        assert_eq!(at(6), (2, 1));
        assert_eq!(at(11), (2, 5));
        assert_eq!(at(7), (2, 1), "inside of a character is its beginning");
        assert_eq!(at(999), (3, 1));
        assert_eq!(Place::of("", 0..9), Place { line: 1, column: 1, start: 0, end: 0 });
    }
}

//! How far a value goes, by how it is written.

use std::sync::LazyLock;

use regex::Regex;

use super::keyed::regex;

/// A line of YAML that has a key of its own.
static MAPPING: LazyLock<Regex> =
    LazyLock::new(|| regex(r#"^(?:\{|-[ \t]*$|["']?[\w./-]+["']?[ \t]*:(?:[ \t]|\r?\n?$))"#));

/// Up to the end of a list or braces that hold a value.
pub(super) fn bracketed(rest: &str) -> Option<usize> {
    let close = match rest.as_bytes().first()? {
        b'[' => ']',
        b'{' => '}',
        _ => return None,
    };
    rest.find(close).map(|end| end + 1)
}

/// Up to the closing quote; to the end where there is none.
pub(super) fn in_quotes(rest: &str) -> Option<usize> {
    let escapes = rest.len() - rest.trim_start_matches('\\').len();
    let quote = *rest.as_bytes().get(escapes)?;
    if quote != b'"' && quote != b'\'' {
        return None;
    }
    let bytes = rest.as_bytes();
    let (mut at, mut run) = (escapes + 1, 0);
    while let Some(byte) = bytes.get(at) {
        if *byte == quote {
            let doubled = quote == b'\'' && escapes == 0;
            if doubled && bytes.get(at + 1) == Some(&quote) {
                at += 1;
            } else if doubled && rest[at..].starts_with(r"'\''") {
                at += 3;
            } else if doubled || (escapes == 0 && run % 2 == 0) || (escapes > 0 && run <= escapes) {
                let tail = rest[at + 1..].find(|letter: char| !letter.is_alphanumeric());
                return Some(at + 1 + tail.unwrap_or(rest.len() - at - 1));
            }
        }
        run = if *byte == b'\\' { run + 1 } else { 0 };
        at += 1;
    }
    Some(rest.len())
}

/// The length of a value without quotes: to the end of the `line`, else of the word, or where it stands `tight` of the member;
/// `inside` quotes to their end.
pub(super) fn bare(rest: &str, inside: bool, line: bool, tight: bool) -> usize {
    let (mut escaped, mut end) = (false, rest.len());
    for (at, letter) in rest.char_indices() {
        let over = match letter {
            '\n' | '\r' => true,
            '"' => inside && !escaped,
            // The end of a line within a message.
            'n' => inside && escaped && line,
            ',' | '}' | ']' => tight,
            letter => letter.is_whitespace() && !line && !escaped,
        };
        if over {
            end = if letter == 'n' { at - 1 } else { at };
            break;
        }
        escaped = letter == '\\' && !escaped;
    }
    end
}

/// The length of the lines of `text` that are indented further than `column`, as far as `wanted`.
pub(super) fn lines(text: &str, column: usize, wanted: impl Fn(&str) -> bool) -> usize {
    let mut length = 0;
    for line in text.split_inclusive('\n') {
        let inner = line.trim_start_matches([' ', '\t']);
        if !inner.trim().is_empty() && (line.len() - inner.len() <= column || !wanted(inner)) {
            break;
        }
        length += line.len();
    }
    length
}

/// The length of a value that begins on the line below its key: words, or a list of them.
pub(super) fn scalar(text: &str, column: usize) -> Option<usize> {
    let item = |line: &str| {
        line.strip_prefix("- ")
            .unwrap_or(line)
            .trim_start()
            .to_owned()
    };
    let plain = |line: &str| !MAPPING.is_match(&item(line));
    let first = text.lines().find(|line| !line.trim().is_empty())?;
    // Lists may begin where their key does.
    let list = first.trim_start().starts_with("- ");
    let column = if list {
        column.checked_sub(1)
    } else {
        Some(column)
    };
    let length = match column {
        Some(column) => lines(text, column, plain),
        None => text
            .split_inclusive('\n')
            .take_while(|line| line.starts_with([' ', '-']) && plain(line.trim_start()))
            .map(str::len)
            .sum(),
    };
    (!text[..length].trim().is_empty()).then_some(length)
}

/// `length` without the blank lines and the line end at its end: what follows stays on a line of its own.
pub(super) fn trimmed(rest: &str, length: usize) -> usize {
    rest[..length]
        .trim_end_matches(['\n', '\r', ' ', '\t'])
        .len()
}

//! A line of the shell into words (Java: `MyCommandOptions.parseCommand`): split at white space,
//! with quotes of both kinds around a word.

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\u{b}' | '\u{c}' | '\r')
}

/// What JLine makes of a line before the shell sees it: a backslash stands for nothing, and the character
/// behind it for itself.
pub(super) fn unescape(line: &str) -> String {
    let mut chars = line.chars();
    let mut plain = String::with_capacity(line.len());
    while let Some(c) = chars.next() {
        plain.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    plain
}

/// The words of a line. A quote without its partner is left out where it begins a line and stays
/// part of the word elsewhere, as Java's pattern has it.
pub(super) fn split(line: &str) -> Vec<String> {
    let chars: Vec<char> = line.chars().collect();
    let mut words = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let start = skip(&chars, at, is_space);
        let quote = chars.get(start).copied();
        match quote {
            Some(q @ ('"' | '\'')) => {
                let close = chars[start + 1..].iter().position(|&c| c == q);
                if let Some(length) = close {
                    words.push(chars[start + 1..start + 1 + length].iter().collect());
                    at = start + length + 2;
                } else if start > at {
                    at = word(&chars, start - 1, &mut words);
                } else {
                    at += 1;
                    continue;
                }
            }
            Some(_) => at = word(&chars, start, &mut words),
            // Only white space is left: Java takes its last character for a word.
            None => at = word(&chars, start - 1, &mut words),
        }
        at = skip(&chars, at, is_space);
    }
    words
}

fn skip(chars: &[char], from: usize, skipped: impl Fn(char) -> bool) -> usize {
    let more = chars[from..].iter().take_while(|&&c| skipped(c)).count();
    from + more
}

/// A word begins at `start`, whatever stands there, and goes on to the next white space.
fn word(chars: &[char], start: usize, words: &mut Vec<String>) -> usize {
    let end = skip(chars, start + 1, |c| !is_space(c));
    words.push(chars[start..end].iter().collect());
    end
}

#[cfg(test)]
mod tests {
    use super::{split, unescape};

    #[test]
    fn backslashes_go() {
        assert_eq!(unescape(r#"set /a \"b\\c\""#), r#"set /a "b\c""#);
        assert_eq!(unescape("end\\"), "end");
    }

    #[test]
    fn words_and_quotes() {
        assert_eq!(split("  create /a  b "), ["create", "/a", "b"]);
        assert_eq!(
            split("set /a \"two words\" 'x \"y'"),
            ["set", "/a", "two words", "x \"y"]
        );
        assert_eq!(split("set /a \"\""), ["set", "/a", ""]);
        assert_eq!(split("set /a a\"b c\""), ["set", "/a", "a\"b", "c\""]);
        assert_eq!(split("'a'b"), ["a", "b"]);
        assert_eq!(split("\"open"), ["open"]);
        assert_eq!(split("set \"open"), ["set", "open"]);
        assert_eq!(split("   "), [" "]);
        assert!(split("").is_empty());
    }
}

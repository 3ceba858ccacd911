//! Which paths name a znode (Java: `PathUtils.validatePath`).

/// Why a path is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    #[error("Path length must be > 0")]
    Empty,
    #[error("Path must start with / character")]
    NoLeadingSlash,
    #[error("Path must not end with / character")]
    TrailingSlash,
    #[error("Invalid path string \"{path}\" caused by {reason} @{at}")]
    Invalid {
        path: String,
        reason: &'static str,
        at: usize,
    },
}

/// Checks `path`. For a sequential create use [`validate_sequential`].
pub fn validate(path: &str) -> Result<(), PathError> {
    check(path, false)
}

/// Checks the path of a sequential create, whose name may be empty before its number is added.
pub fn validate_sequential(path: &str) -> Result<(), PathError> {
    check(path, true)
}

fn check(path: &str, sequential: bool) -> Result<(), PathError> {
    if path.is_empty() && !sequential {
        return Err(PathError::Empty);
    }
    if !path.starts_with('/') {
        return Err(PathError::NoLeadingSlash);
    }
    if sequential {
        return characters(path, true);
    }
    if path.len() == 1 {
        return Ok(());
    }
    if path.ends_with('/') {
        return Err(PathError::TrailingSlash);
    }
    characters(path, false)
}

/// `more` tells that a digit follows the last character.
fn characters(path: &str, more: bool) -> Result<(), PathError> {
    let fail = |reason, at| {
        Err(PathError::Invalid {
            path: path.to_owned(),
            reason,
            at,
        })
    };
    // Java counts UTF-16 units.
    let mut at = 0;
    let (mut last, mut before_last) = ('\0', '\0');
    let mut chars = path.chars().peekable();
    while let Some(c) = chars.next() {
        if at > 0 {
            let ends_name = match chars.peek() {
                None => !more,
                Some(&next) => next == '/',
            };
            match c {
                '\0' => return fail("null character not allowed", at),
                '/' if last == '/' => return fail("empty node name specified", at),
                '.' if ends_name && (last == '/' || (last == '.' && before_last == '/')) => {
                    return fail("relative paths not allowed", at);
                }
                '\u{1}'..='\u{1f}'
                | '\u{7f}'..='\u{9f}'
                | '\u{e000}'..='\u{f8ff}'
                | '\u{fff0}'..='\u{ffff}'
                | '\u{10000}'.. => {
                    return fail("invalid character", at);
                }
                _ => {}
            }
        }
        before_last = last;
        last = c;
        at += c.len_utf16();
    }
    Ok(())
}

/// The parent of a valid path; `/`'s is `""`, as in Java's `DataTree`.
pub fn parent(path: &str) -> &str {
    match path.rfind('/') {
        Some(0) if path.len() > 1 => "/",
        Some(at) => &path[..at],
        None => "",
    }
}

/// The last name of a valid path.
pub fn name(path: &str) -> &str {
    &path[path.rfind('/').map_or(0, |at| at + 1)..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_what_java_accepts() {
        for path in [
            "/",
            "/a",
            "/a/b",
            "/a.b/..c/d..",
            "/...",
            "/é\u{2028}",
            "/a b",
        ] {
            assert_eq!(validate(path), Ok(()), "{path}");
        }
        for path in ["/", "/a/", "/a/.", "/a/.."] {
            assert_eq!(validate_sequential(path), Ok(()), "{path}");
        }
    }

    #[test]
    fn refuses_what_java_refuses() {
        for path in [
            "", "a", "/a/", "//", "/a//b", "/.", "/..", "/a/./b", "/a/..", "/\u{1}",
        ] {
            assert!(validate(path).is_err(), "{path}");
        }
        assert!(
            validate("/\u{1f600}").is_err(),
            "surrogates are invalid characters to Java"
        );
        assert_eq!(
            validate("/a/../b").unwrap_err().to_string(),
            "Invalid path string \"/a/../b\" caused by relative paths not allowed @4"
        );
    }

    #[test]
    fn splits() {
        assert_eq!((parent("/"), parent("/a"), parent("/a/b")), ("", "/", "/a"));
        assert_eq!((name("/a"), name("/a/bc"), name("/")), ("a", "bc", ""));
    }
}

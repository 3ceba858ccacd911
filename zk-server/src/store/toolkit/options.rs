//! Options as commons-cli's `DefaultParser` reads them: `-rv`, `--recover`, `-recover`, `--rec`,
//! `--zxid=5`, `-z5`, anywhere between the arguments.

/// An option that a tool knows.
#[derive(Debug, Clone, Copy)]
pub struct Spec {
    pub short: Option<char>,
    pub long: &'static str,
    pub takes_value: bool,
}

#[derive(Debug, Default)]
pub struct Parsed {
    /// long names, with values, in the order given
    pub options: Vec<(&'static str, Option<String>)>,
    pub arguments: Vec<String>,
}

impl Parsed {
    pub fn has(&self, long: &str) -> bool {
        self.options.iter().any(|(name, _)| *name == long)
    }

    pub fn value(&self, long: &str) -> Option<&str> {
        self.options
            .iter()
            .find(|(name, _)| *name == long)
            .and_then(|(_, value)| value.as_deref())
    }
}

/// The error is Java's message.
pub fn parse(specs: &[Spec], args: impl Iterator<Item = String>) -> Result<Parsed, String> {
    let mut parsed = Parsed::default();
    let mut args = args.peekable();
    while let Some(arg) = args.next() {
        if arg == "--" {
            parsed.arguments.extend(args);
            break;
        }
        if !arg.starts_with('-') || arg == "-" {
            parsed.arguments.push(arg);
            continue;
        }
        for (spec, inline) in matches(specs, &arg)? {
            let value = match (spec.takes_value, inline) {
                (false, _) => None,
                (true, Some(value)) => Some(value),
                (true, None) => match args.next_if(|next| !next.starts_with('-')) {
                    Some(value) => Some(value),
                    None => return Err(format!("Missing argument for option: {}", key(spec))),
                },
            };
            parsed.options.push((spec.long, value));
        }
    }
    Ok(parsed)
}

fn key(spec: &Spec) -> String {
    spec.short
        .map_or_else(|| spec.long.to_owned(), |c| c.to_string())
}

/// What one word asks for.
fn matches<'s>(specs: &'s [Spec], arg: &str) -> Result<Vec<(&'s Spec, Option<String>)>, String> {
    let unknown = || format!("Unrecognized option: {arg}");
    let (name, value) = match arg.split_once('=') {
        Some((name, value)) => (name, Some(value.to_owned())),
        None => (arg, None),
    };
    let double = name.starts_with("--");
    let name = name.trim_start_matches('-');
    if let Some(spec) = specs.iter().find(|s| s.long == name) {
        return Ok(vec![(spec, value)]);
    }
    let short = |c: char| specs.iter().find(|s| s.short == Some(c));
    let mut chars = name.chars();
    if let (Some(c), None) = (chars.next(), chars.next()) {
        if let (Some(spec), false) = (short(c), double) {
            return Ok(vec![(spec, value)]);
        }
    }
    let longer: Vec<_> = specs.iter().filter(|s| s.long.starts_with(name)).collect();
    match longer[..] {
        [] => {}
        [spec] if !name.is_empty() => return Ok(vec![(spec, value)]),
        _ if double => {
            let names: Vec<_> = longer.iter().map(|s| format!("'{}'", s.long)).collect();
            return Err(format!(
                "Ambiguous option: '{arg}'  (could be: {})",
                names.join(", ")
            ));
        }
        _ => {}
    }
    if double {
        return Err(unknown());
    }
    let mut found = Vec::new();
    for (at, c) in name.char_indices() {
        let spec = short(c).ok_or_else(unknown)?;
        if spec.takes_value {
            let rest = &name[at + c.len_utf8()..];
            let inline = (!rest.is_empty()).then(|| rest.to_owned());
            found.push((spec, inline.or(value)));
            return Ok(found);
        }
        found.push((spec, None));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPECS: &[Spec] = &[
        Spec {
            short: Some('r'),
            long: "recover",
            takes_value: false,
        },
        Spec {
            short: Some('v'),
            long: "verbose",
            takes_value: false,
        },
        Spec {
            short: Some('z'),
            long: "zxid",
            takes_value: true,
        },
    ];

    fn read(line: &str) -> Result<Parsed, String> {
        parse(SPECS, line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn all_spellings_mean_the_same() {
        for line in [
            "-rv -z 5 file",
            "file --recover --verbose --zxid=5",
            "-recover file -ver -z5",
            "--rec -v --zxid 5 -- file",
        ] {
            let parsed = read(line).unwrap();
            assert!(parsed.has("recover") && parsed.has("verbose"), "{line}");
            assert_eq!(parsed.value("zxid"), Some("5"), "{line}");
            assert_eq!(parsed.arguments, ["file"], "{line}");
        }
    }

    #[test]
    fn errors_are_in_javas_words() {
        assert_eq!(read("-x").unwrap_err(), "Unrecognized option: -x");
        assert_eq!(read("-z").unwrap_err(), "Missing argument for option: z");
    }
}

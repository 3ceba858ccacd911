//! Options meant for a JVM (`SERVER_JVMFLAGS`, `JVMFLAGS`, the command line): `-Dname=value` counts
//! as in Java, everything else has no meaning without a JVM and is only collected for one note.

/// What a list of JVM options says to a server without JVM.
#[derive(Debug, Clone, Default)]
pub struct JvmFlags {
    properties: Vec<(String, String, String)>,
    ignored: Vec<String>,
}

impl JvmFlags {
    /// Adds options as a shell would split them; `source` names them in messages.
    pub fn add(&mut self, source: &str, options: &str) {
        for option in options.split_whitespace() {
            self.add_one(source, option);
        }
    }

    /// Adds one option. The last definition of a property counts.
    pub fn add_one(&mut self, source: &str, option: &str) {
        let Some(definition) = option.strip_prefix("-D") else {
            self.ignored.push(option.to_owned());
            return;
        };
        let (name, value) = definition.split_once('=').unwrap_or((definition, ""));
        self.properties.retain(|(known, ..)| known != name);
        self.properties
            .push((name.to_owned(), value.to_owned(), source.to_owned()));
    }

    /// Value and source of a system property.
    pub fn get(&self, name: &str) -> Option<(&str, &str)> {
        let found = self.properties.iter().find(|(known, ..)| known == name);
        found.map(|(_, value, source)| (value.as_str(), source.as_str()))
    }

    /// Names, values and sources.
    pub fn properties(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.properties
            .iter()
            .map(|(name, value, source)| (name.as_str(), value.as_str(), source.as_str()))
    }

    /// Options without meaning here: heap sizes, collectors, agents.
    pub fn ignored(&self) -> &[String] {
        &self.ignored
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions_count_and_the_rest_is_collected() {
        let mut flags = JvmFlags::default();
        flags.add(
            "SERVER_JVMFLAGS",
            "-Xmx1000m -Djute.maxbuffer=1 -XX:+UseG1GC",
        );
        flags.add("JVMFLAGS", " -Djute.maxbuffer=2 -Dflag -Da=b=c ");
        assert_eq!(flags.get("jute.maxbuffer"), Some(("2", "JVMFLAGS")));
        assert_eq!(flags.get("flag"), Some(("", "JVMFLAGS")));
        assert_eq!(flags.get("a"), Some(("b=c", "JVMFLAGS")));
        assert_eq!(flags.ignored(), ["-Xmx1000m", "-XX:+UseG1GC"]);
    }
}

//! Options meant for a Java machine, in the variables that Kafka's scripts read: nothing here runs on
//! one, so each gets a note with what to do instead. Reads no variable itself.

/// The variables of kafka-run-class.sh that carry options.
pub const VARIABLES: [&str; 6] = [
    "KAFKA_HEAP_OPTS",
    "KAFKA_OPTS",
    "KAFKA_JVM_PERFORMANCE_OPTS",
    "KAFKA_GC_LOG_OPTS",
    "KAFKA_JMX_OPTS",
    "KAFKA_LOG4J_OPTS",
];

/// What begins an option, and what does here what it does for Java.
const INSTEAD: &[(&str, &str)] = &[
    (
        "-javaagent:",
        "for Prometheus set metrics.http.port in server.properties",
    ),
    (
        "-Dcom.sun.management.jmxremote",
        "for Prometheus set metrics.http.port in server.properties",
    ),
    (
        "-Dlog4j",
        "log levels are in logging.yaml beside server.properties",
    ),
    ("-Dkafka.logs.dir", "set LOG_DIR"),
    (
        "-Djava.security.auth.login.config",
        "SASL is not served by this version",
    ),
    (
        "-Djute.maxbuffer",
        "replies of ZooKeeper are read up to 64 MB",
    ),
];

/// A note for each variable that says something.
pub fn notes(variables: impl IntoIterator<Item = (&'static str, String)>) -> Vec<String> {
    let mut notes = Vec::new();
    for (name, options) in variables {
        let options: Vec<&str> = options.split_whitespace().collect();
        if options.is_empty() {
            continue;
        }
        let mut note = format!(
            "{name}: options for a JVM have no meaning here and are ignored: {}",
            options.join(" ")
        );
        for (begin, instead) in INSTEAD {
            if options.iter().any(|option| option.starts_with(begin)) && !note.contains(instead) {
                note.push_str("; ");
                note.push_str(instead);
            }
        }
        notes.push(note);
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_variable_gets_one_note_with_what_to_do_instead() {
        let agent = "-javaagent:/opt/jmx_prometheus_javaagent.jar=7071:/opt/kafka.yml";
        let variables = [
            ("KAFKA_HEAP_OPTS", " -Xmx1G  -Xms1G ".to_owned()),
            ("KAFKA_OPTS", format!("{agent} -Djute.maxbuffer=4194304")),
            ("KAFKA_JMX_OPTS", String::new()),
        ];
        let notes = notes(variables);
        assert_eq!(notes.len(), 2);
        assert!(
            notes[0].ends_with("are ignored: -Xmx1G -Xms1G"),
            "{notes:?}"
        );
        assert!(notes[1].contains("metrics.http.port") && notes[1].contains("64 MB"));
    }
}

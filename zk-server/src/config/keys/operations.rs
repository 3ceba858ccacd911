//! Keys about operations: four-letter words, AdminServer, metrics, audit, the JVM.

use crate::config::key::Key;
use crate::config::key::Kind::{Bool, Int, Long, Text};

const NO_JVM: &str = "there is no JVM here whose pauses could be watched";
const JMX: &str = "there is no JMX here";
const ADMIN_TLS: &str = "TLS on the AdminServer is not served yet: take the line out";

pub(super) const KEYS: &[Key] = &[
    Key::prop(
        "4lw.commands.whitelist",
        Text,
        "srvr",
        "3.4.10",
        "four-letter words that are answered, with commas between them; *: all",
    )
    .held_by("words_outside_the_whitelist_are_refused_as_java"),
    Key::prop(
        "admin.enableServer",
        Text,
        "true",
        "3.5",
        "false: no AdminServer",
    )
    .held_by("the_admin_server_follows_its_keys"),
    Key::prop(
        "admin.serverAddress",
        Text,
        "0.0.0.0",
        "3.5",
        "address of the AdminServer",
    )
    .held_by("admin_server_has_the_fields_of_java"),
    Key::prop(
        "admin.serverPort",
        Int,
        "8080",
        "3.5",
        "port of the AdminServer",
    )
    .held_by("admin_server_has_the_fields_of_java"),
    Key::prop(
        "admin.idleTimeout",
        Int,
        "30000",
        "3.5",
        "milliseconds after which an idle connection to the AdminServer is closed",
    )
    .held_by("the_admin_server_follows_its_keys"),
    Key::prop(
        "admin.commandURL",
        Text,
        "/commands",
        "3.5",
        "where the AdminServer's commands begin",
    )
    .held_by("the_admin_server_follows_its_keys"),
    Key::prop(
        "admin.httpVersion",
        Int,
        "11",
        "3.5.6",
        "HTTP version of the AdminServer's answers in Jetty's numbering",
    )
    .noted("the AdminServer answers in the version that the client speaks"),
    Key::prop(
        "admin.portUnification",
        Bool,
        "false",
        "3.6",
        "TLS and plain text on the AdminServer's port",
    )
    .refused(&["false"], ADMIN_TLS),
    Key::prop(
        "admin.forceHttps",
        Bool,
        "false",
        "3.7.1",
        "TLS only on the AdminServer's port",
    )
    .refused(&["false"], ADMIN_TLS),
    Key::prop(
        "admin.needClientAuth",
        Bool,
        "false",
        "3.9",
        "the AdminServer asks for client certificates",
    )
    .refused(&["false"], ADMIN_TLS),
    Key::prop(
        "admin.snapshot.enabled",
        Bool,
        "true",
        "3.9",
        "the AdminServer's snapshot command",
    )
    .held_by("commands_that_are_off_say_so_as_java"),
    Key::prop(
        "admin.restore.enabled",
        Bool,
        "true",
        "3.9",
        "the AdminServer's restore command",
    )
    .held_by("commands_that_are_off_say_so_as_java"),
    Key::prop(
        "admin.rateLimiterIntervalInMS",
        Int,
        "300000",
        "3.9",
        "milliseconds between restores by the AdminServer; microseconds between snapshots, as in Java",
    )
    .held_by("snapshots_and_restores_are_limited_as_java"),
    Key::cfg(
        "metricsProvider.className",
        Text,
        "org.apache.zookeeper.metrics.impl.DefaultMetricsProvider",
        "3.6",
        "DefaultMetricsProvider, NullMetricsProvider or PrometheusMetricsProvider",
    )
    .held_by("prometheus_has_the_names_of_java"),
    Key::cfg(
        "metricsProvider.httpHost",
        Text,
        "0.0.0.0",
        "3.8",
        "address of the metrics endpoint",
    )
    .held_by("prometheus_has_the_names_of_java"),
    Key::cfg(
        "metricsProvider.httpPort",
        Int,
        "7000",
        "3.6",
        "port of the metrics endpoint",
    )
    .held_by("prometheus_has_the_names_of_java"),
    Key::cfg(
        "metricsProvider.exportJvmInfo",
        Text,
        "true",
        "3.6",
        "export metrics of the process as well",
    )
    .held_by("figures_of_the_process_are_left_out_when_asked"),
    Key::cfg(
        "metricsProvider.numWorkerThreads",
        Int,
        "1",
        "3.7.1",
        "threads that report summaries",
    )
    .noted("summaries are kept where they are measured"),
    Key::cfg(
        "metricsProvider.maxQueueSize",
        Int,
        "1000000",
        "3.7.1",
        "reports in the queue",
    )
    .noted("summaries are kept where they are measured"),
    Key::cfg(
        "metricsProvider.workerShutdownTimeoutMs",
        Long,
        "1000",
        "3.7.1",
        "milliseconds given to the reporting threads at the end",
    )
    .noted("summaries are kept where they are measured"),
    Key::cfg(
        "metricsProvider.*",
        Text,
        "",
        "3.6",
        "options of a metrics provider",
    )
    .noted("the metrics providers here do not know this option"),
    Key::prop("audit.enable", Bool, "false", "3.6", "write an audit log").refused(
        &["false"],
        "the audit log is not served yet: take the line out, or keep Java for it",
    ),
    Key::prop(
        "audit.impl.class",
        Text,
        "",
        "3.6",
        "class of the audit log",
    )
    .noted("it only counts when audit.enable is true"),
    Key::cfg(
        "jvm.pause.monitor",
        Bool,
        "false",
        "3.5.5",
        "watch pauses of the JVM",
    )
    .noted(NO_JVM),
    Key::cfg(
        "jvm.pause.warn-threshold.ms",
        Long,
        "10000",
        "3.5.5",
        "pause to warn about",
    )
    .noted(NO_JVM),
    Key::cfg(
        "jvm.pause.info-threshold.ms",
        Long,
        "1000",
        "3.5.5",
        "pause to mention",
    )
    .noted(NO_JVM),
    Key::cfg(
        "jvm.pause.sleep.time.ms",
        Long,
        "500",
        "3.5.5",
        "milliseconds between checks",
    )
    .noted(NO_JVM),
    Key::prop(
        "jmx.log4j.disable",
        Bool,
        "false",
        "3.4",
        "no log4j beans in JMX",
    )
    .noted(JMX),
    Key::prop("jmx.log4j.mbean", Text, "", "3.5", "name of the log4j bean").noted(JMX),
    Key::prop(
        "controllerPort",
        Int,
        "",
        "3.7",
        "port of Java's fault-injection server",
    )
    .noted("it belongs to Java's own tests"),
];

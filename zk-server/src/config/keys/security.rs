//! Keys about authentication, TLS, SASL and Kerberos.

use crate::config::key::Key;
use crate::config::key::Kind::{Bool, Int, Long, Text};

const NO_TLS: &str = "it only counts with TLS, which is not served";
const NO_SASL: &str = "it only counts with SASL, which is not served";
const CLIENT: &str = "clients read it, a server does not";
const JAVA_CLASS: &str = "a Java class cannot be loaded here, and SASL is not served yet; digest, ip and \
                          ensemble are built in: take the line out";
const BUILT_IN: &[&str] = &[
    "org.apache.zookeeper.server.auth.DigestAuthenticationProvider",
    "org.apache.zookeeper.server.auth.IPAuthenticationProvider",
    "org.apache.zookeeper.server.auth.EnsembleAuthenticationProvider",
    "org.apache.zookeeper.server.auth.X509AuthenticationProvider",
];
const ENFORCED: &str = "only_clients_with_an_enforced_identity_are_served";

pub(super) const KEYS: &[Key] = &[
    Key::prop(
        "DigestAuthenticationProvider.enabled",
        Bool,
        "true",
        "3.7",
        "the digest scheme",
    )
    .held_by("digest_and_super_follow_their_keys"),
    Key::prop(
        "DigestAuthenticationProvider.superDigest",
        Text,
        "",
        "3.2",
        "user:hash of the super user",
    )
    .held_by("digest_and_super_follow_their_keys"),
    Key::prop(
        "DigestAuthenticationProvider.digestAlg",
        Text,
        "SHA1",
        "3.7",
        "hash of the digest scheme",
    )
    .held_by("digest_and_super_follow_their_keys"),
    Key::prop(
        "IPAuthenticationProvider.usexforwardedfor",
        Bool,
        "false",
        "3.9.1",
        "the AdminServer takes the client's address from X-Forwarded-For",
    )
    .held_by("only_administrators_of_the_root_may_run_snapshot_and_restore"),
    Key::prop(
        "SASLAuthenticationProvider.superPassword",
        Text,
        "",
        "3.4",
        "password of the SASL super user",
    )
    .noted(NO_SASL),
    Key::prop(
        "X509AuthenticationProvider.superUser",
        Text,
        "",
        "3.5.1",
        "certificate name of the super user",
    )
    .noted(NO_TLS),
    Key::prop("superUser", Text, "", "3.6", "super user of SASL and x509").noted(NO_SASL),
    Key::prop(
        "authProvider.*",
        Text,
        "",
        "3.4",
        "class of an authentication scheme",
    )
    .refused(BUILT_IN, JAVA_CLASS),
    Key::prop(
        "ensembleAuthName",
        Text,
        "",
        "3.6",
        "name that clients must give with the scheme ensemble",
    )
    .held_by("a_client_of_another_ensemble_is_closed"),
    Key::prop(
        "sessionRequireClientSASLAuth",
        Bool,
        "false",
        "3.6",
        "only clients with SASL are served",
    )
    .refused(
        &["false"],
        "SASL is not served yet: take the line out, or keep Java for it",
    ),
    Key::prop(
        "allowSaslFailedClients",
        Bool,
        "false",
        "3.4",
        "clients whose SASL failed stay connected",
    )
    .noted(NO_SASL),
    Key::prop(
        "enforce.auth.enabled",
        Bool,
        "false",
        "3.7",
        "only authenticated clients are served",
    )
    .held_by(ENFORCED),
    Key::prop(
        "enforce.auth.schemes",
        Text,
        "",
        "3.7",
        "schemes that count as authenticated",
    )
    .held_by(ENFORCED),
    Key::prop(
        "letAnySaslUserDoX",
        Text,
        "",
        "3.4",
        "one permission for all SASL users",
    )
    .noted(NO_SASL),
    Key::prop(
        "requireKerberosConfig",
        Bool,
        "false",
        "3.4",
        "fail without a Kerberos realm",
    )
    .noted(NO_SASL),
    Key::prop(
        "security.auth_to_local",
        Text,
        "DEFAULT",
        "3.4",
        "mapping of principals",
    )
    .noted(NO_SASL),
    Key::prop(
        "kerberos.canonicalizeHostNames",
        Bool,
        "false",
        "3.7",
        "canonical host names in principals",
    )
    .noted(NO_SASL),
    Key::prop(
        "kerberos.removeHostFromPrincipal",
        Bool,
        "false",
        "3.4",
        "cut the host from principals",
    )
    .noted(NO_SASL),
    Key::prop(
        "kerberos.removeRealmFromPrincipal",
        Bool,
        "false",
        "3.4",
        "cut the realm from principals",
    )
    .noted(NO_SASL),
    Key::prop(
        "kerberos.minReLoginTimeMs",
        Long,
        "60000",
        "3.6",
        "milliseconds between Kerberos logins",
    )
    .noted(NO_SASL),
    Key::prop("kinit", Text, "/usr/bin/kinit", "3.4", "the kinit program").noted(NO_SASL),
    Key::prop("server.realm", Text, "", "3.5", "Kerberos realm").noted(NO_SASL),
    Key::prop(
        "server.principal",
        Text,
        "",
        "3.5",
        "principal of the server",
    )
    .noted(CLIENT),
    Key::prop(
        "sasl.serverconfig",
        Text,
        "Server",
        "3.4",
        "section of the JAAS file",
    )
    .noted(NO_SASL),
    Key::prop(
        "sasl.clientconfig",
        Text,
        "Client",
        "3.4",
        "section of the JAAS file",
    )
    .noted(CLIENT),
    Key::prop("sasl.client", Bool, "true", "3.4", "SASL of clients").noted(CLIENT),
    Key::prop(
        "sasl.client.username",
        Text,
        "zookeeper",
        "3.4",
        "user part of the principal",
    )
    .noted(CLIENT),
    Key::prop(
        "sasl.client.canonicalize.hostname",
        Bool,
        "true",
        "3.5.5",
        "canonical host names",
    )
    .noted(CLIENT),
    Key::prop(
        "disableAutoWatchReset",
        Bool,
        "false",
        "3.3",
        "clients do not set watches anew",
    )
    .noted(CLIENT),
    Key::prop(
        "clientCnxnSocket",
        Text,
        "",
        "3.4",
        "class of the client's network layer",
    )
    .noted(CLIENT),
    Key::prop("client.secure", Bool, "false", "3.5", "TLS of clients").noted(CLIENT),
    Key::prop(
        "request.timeout",
        Long,
        "0",
        "3.5",
        "milliseconds that clients wait for an answer",
    )
    .noted(CLIENT),
    Key::prop(
        "client.certReload",
        Bool,
        "false",
        "3.9",
        "read changed certificates again",
    )
    .noted(NO_TLS),
    Key::prop("fips-mode", Bool, "true", "3.8.2", "FIPS rules for TLS").noted(NO_TLS),
    Key::prop("ssl.quorum.*", Text, "", "3.5.5", "TLS between servers").ensemble(),
    Key::prop("ssl.*", Text, "", "3.5.1", "TLS for clients").noted(NO_TLS),
    Key::bare(
        "java.security.auth.login.config",
        Text,
        "",
        "3.4",
        "the JAAS file",
    )
    .refused(
        &[""],
        "a JAAS file asks for SASL, which is not served yet: take the option out, or keep Java for it",
    ),
    Key::bare(
        "sun.security.jgss.native",
        Bool,
        "false",
        "3.4",
        "the system's Kerberos library",
    )
    .noted(NO_SASL),
    Key::bare(
        "jdk.tls.rejectClientInitiatedRenegotiation",
        Bool,
        "true",
        "3.5.5",
        "no TLS renegotiation",
    )
    .noted(NO_TLS),
    Key::prop(
        "quorumCnxnTimeoutMs",
        Int,
        "-1",
        "3.6",
        "read timeout of election connections",
    )
    .ensemble(),
];

//! Who may come in and how fast: the connection throttle and the schemes of authentication. Mirrors
//! `BlueThrottle`'s settings, `AuthenticationHelper` and `ProviderRegistry`.

use crate::core::throttle::ThrottleSettings;

use super::error::ConfigError;
use super::resolve::Resolved;
use super::settings::at;

const PACKAGE: &str = "org.apache.zookeeper.server.auth.";

/// Authentication of clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// `enforce.auth.enabled`
    pub enforced: bool,
    /// `enforce.auth.schemes`
    pub schemes: Vec<String>,
    /// the scheme `ensemble` is there; its provider must be named
    pub ensemble: bool,
    /// `ensembleAuthName`
    pub ensemble_names: Option<Vec<String>>,
    /// `authProvider.*` names the provider of the digest scheme, which counts more than
    /// `DigestAuthenticationProvider.enabled`
    pub digest: bool,
    /// `IPAuthenticationProvider.usexforwardedfor`
    pub forwarded_for: bool,
}

pub(super) fn access(set: &mut Resolved) -> Result<Access, ConfigError> {
    let classes: Vec<String> = set.family("authProvider.");
    let named = |class: &str| {
        classes
            .iter()
            .any(|name| *name == format!("{PACKAGE}{class}"))
    };
    let list =
        |text: String| -> Vec<String> { text.split(',').map(|s| s.trim().to_owned()).collect() };
    let access = Access {
        enforced: set.bool("enforce.auth.enabled"),
        schemes: set
            .value("enforce.auth.schemes")
            .map_or_else(Vec::new, |value| list(value.text)),
        ensemble: named("EnsembleAuthenticationProvider"),
        ensemble_names: set.value("ensembleAuthName").map(|value| list(value.text)),
        digest: named("DigestAuthenticationProvider"),
        forwarded_for: set.bool("IPAuthenticationProvider.usexforwardedfor"),
    };
    if access.enforced {
        known_schemes(set, &access)?;
    }
    Ok(access)
}

/// A scheme that nobody can prove would keep everybody out.
fn known_schemes(set: &Resolved, access: &Access) -> Result<(), ConfigError> {
    if access.schemes.is_empty() {
        return Err(ConfigError::invalid(format!(
            "{}: enforce.auth.schemes is not set: name the schemes that count, like digest.",
            at(set, "enforce.auth.enabled")
        )));
    }
    let digest = access.digest || set.bool("DigestAuthenticationProvider.enabled");
    let unknown = access.schemes.iter().find(|scheme| match scheme.as_str() {
        "ip" => false,
        "digest" => !digest,
        "ensemble" => !access.ensemble,
        _ => true,
    });
    match unknown {
        Some(scheme) => Err(ConfigError::invalid(format!(
            "{}: Authentication scheme {scheme} is not available: digest and ip are; sasl and x509 \
             are not served yet.",
            at(set, "enforce.auth.schemes")
        ))),
        None => Ok(()),
    }
}

pub(super) fn connection_throttle(set: &mut Resolved) -> ThrottleSettings {
    let number = |value: i32| u32::try_from(value).unwrap_or(0);
    let local = weight(set, "connection_throttle_local_session_weight", 1, 1);
    let new = weight(set, "connection_throttle_global_session_weight", 3, local);
    let renew = weight(set, "connection_throttle_renew_session_weight", 2, local);
    ThrottleSettings {
        tokens: number(set.int("connection_throttle_tokens")),
        fill_time_ms: u64::from(number(set.int("connection_throttle_fill_time"))).max(1),
        fill_count: number(set.int("connection_throttle_fill_count")),
        freeze_time_ms: u64::try_from(set.int("connection_throttle_freeze_time")).ok(),
        drop_increase: set.float("connection_throttle_drop_increase"),
        drop_decrease: set.float("connection_throttle_drop_decrease"),
        decrease_ratio: set.float("connection_throttle_decrease_ratio"),
        weighted: set.bool("connection_throttle_weight_enabled"),
        new_weight: new,
        local_weight: local,
        renew_weight: renew,
    }
}

/// A weight over 0, and at least that of a local session.
fn weight(set: &mut Resolved, key: &str, fallback: u32, least: u32) -> u32 {
    match u32::try_from(set.int(key)) {
        Ok(weight) if weight > 0 && weight < least => {
            set.warn(format!(
                "{}: less than the weight of a local session, {least}, which counts.",
                at(set, key)
            ));
            least
        }
        Ok(weight) if weight > 0 => weight,
        _ => {
            set.warn(format!(
                "{}: it should be larger than 0; {fallback} counts.",
                at(set, key)
            ));
            fallback
        }
    }
}

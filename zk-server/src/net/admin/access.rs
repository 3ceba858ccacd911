//! Who may run the commands that give or replace all data: one who may do everything with the root
//! znode, by the `Authorization` header (Java: `Commands.handleAuthentication`, `handleAuthorization`).

use driver::http::Request;
use proto::zk::acl::perms;

use crate::auth::{Identity, Proof, acl};
use crate::net::Net;

/// The answer's status, and the sentence in it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) status: u16,
    pub(super) why: &'static str,
}

const MISSING: Refused = Refused {
    status: 401,
    why: "Auth info is missing for the command",
};
const NOT_AUTHENTICATED: Refused = Refused {
    status: 401,
    why: "Not authenticated",
};
const NOT_AUTHORIZED: Refused = Refused {
    status: 403,
    why: "Not authorized",
};
const FAILED: Refused = Refused {
    status: 500,
    why: "Error occurred during auth",
};

pub(super) fn check(request: &Request, net: &Net) -> Result<(), Refused> {
    let Some(header) = &request.authorization else {
        return Err(MISSING);
    };
    let (scheme, auth) = parts(header).ok_or(NOT_AUTHENTICATED)?;
    let address = client_address(request, net);
    let checked = net.core.with(|server| {
        let providers = &server.settings().providers;
        // The scheme of ensembles proves nobody.
        let ids: Vec<Identity> = match providers.authenticate(scheme, auth, &address) {
            Proof::Proved(ids) => ids,
            _ => return Err(NOT_AUTHENTICATED),
        };
        let tree = server.database().tree();
        let Some(root) = tree.find("") else {
            return Err(FAILED);
        };
        let list = tree.acls().get_ref(tree.node(root).acl);
        let mut bits = (0..5)
            .map(|bit| 1 << bit)
            .filter(|bit| perms::ALL & bit != 0);
        match bits.all(|bit| acl::check(providers, list, bit, &ids).is_ok()) {
            true => Ok(()),
            false => Err(NOT_AUTHORIZED),
        }
    });
    checked.unwrap_or(Err(FAILED))
}

/// Scheme and data, as Java splits them at spaces: empty parts at the end do not count.
fn parts(header: &str) -> Option<(&str, Option<&[u8]>)> {
    let mut parts = header.trim_end_matches(' ').split(' ');
    let scheme = parts.next()?;
    let auth = parts.next().map(str::as_bytes);
    parts.next().is_none().then_some((scheme, auth))
}

/// What the scheme `ip` proves.
fn client_address(request: &Request, net: &Net) -> String {
    let behind_proxy = net
        .config
        .access
        .forwarded_for
        .then_some(&request.forwarded_for);
    let first = behind_proxy.and_then(|header| header.as_ref()?.split(',').find(|a| !a.is_empty()));
    first.map_or_else(
        || request.peer.ip().to_string(),
        |first| first.trim().to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_split_as_java_does() {
        assert_eq!(parts("digest a:b"), Some(("digest", Some(&b"a:b"[..]))));
        assert_eq!(parts("ip"), Some(("ip", None)));
        assert_eq!(parts("ip  "), Some(("ip", None)));
        assert_eq!(parts("digest  a:b"), None);
        assert_eq!(parts("digest a:b c"), None);
    }
}

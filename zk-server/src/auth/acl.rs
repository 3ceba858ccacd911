//! Permission checks, and the ACLs that a client may set (Java: `ZooKeeperServer.checkACL`,
//! `PrepRequestProcessor.fixupACL`).

use proto::zk::ErrorCode;
use proto::zk::acl::{Acl, Id};

use crate::tree::acls::AclList;

use super::provider::{Identity, Providers};

/// May a client with these identities do one of `perm`?
pub fn check(
    providers: &Providers,
    acl: &AclList,
    perm: i32,
    ids: &[Identity],
) -> Result<(), ErrorCode> {
    if acl.world_perms() & perm != 0 || acl.is_empty() || providers.skip_acl {
        return Ok(());
    }
    if ids.iter().any(|id| &*id.scheme == "super") {
        return Ok(());
    }
    let allowed = acl
        .iter()
        .filter(|entry| entry.perms & perm != 0)
        .any(|entry| {
            ids.iter().any(|id| {
                &*id.scheme == entry.id.scheme && providers.matches(&id.scheme, &id.id, entry.id.id)
            })
        });
    if allowed {
        Ok(())
    } else {
        Err(ErrorCode::NoAuth)
    }
}

/// The list that a znode gets when a client asks for `acl`: without duplicates, with `auth`
/// replaced by who the client is.
pub fn fixup<'a>(
    providers: &Providers,
    acl: &[Acl<'a>],
    ids: &'a [Identity],
) -> Result<Vec<Acl<'a>>, ErrorCode> {
    let mut fixed: Vec<Acl<'a>> = Vec::with_capacity(acl.len());
    for (i, entry) in acl.iter().enumerate() {
        if acl[..i].contains(entry) {
            continue;
        }
        if entry.id == Id::ANYONE {
            fixed.push(entry.clone());
        } else if entry.id.scheme == "auth" {
            let before = fixed.len();
            fixed.extend(
                ids.iter()
                    .filter(|id| providers.is_authenticated(&id.scheme))
                    .map(|id| Acl::new(entry.perms, id.as_id())),
            );
            if fixed.len() == before {
                return Err(ErrorCode::InvalidAcl);
            }
        } else if providers.is_valid(entry.id.clone()) {
            fixed.push(entry.clone());
        } else {
            return Err(ErrorCode::InvalidAcl);
        }
    }
    if fixed.is_empty() {
        return Err(ErrorCode::InvalidAcl);
    }
    Ok(fixed)
}

/// A list as one who may not administer the znode sees it: without the hashes of passwords.
pub fn redacted<'a>(acl: &Acl<'a>, buffer: &'a mut String) -> Acl<'a> {
    match (acl.id.scheme, acl.id.id.split_once(':')) {
        ("digest", Some((user, _))) => {
            buffer.clear();
            buffer.push_str(user);
            buffer.push_str(":x");
            Acl::new(acl.perms, Id::new(acl.id.scheme, buffer))
        }
        _ => acl.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::acls::list_bytes;
    use proto::zk::acl::perms;

    fn list(acls: &[Acl<'_>]) -> AclList {
        AclList::new(list_bytes(acls))
    }

    #[test]
    fn who_may() {
        let p = Providers::default();
        let me = [
            Identity::new("ip", "10.0.0.1"),
            Identity::new("digest", "a:h"),
        ];
        let mine = list(&[Acl::new(perms::READ, Id::new("digest", "a:h"))]);
        assert_eq!(check(&p, &mine, perms::READ, &me), Ok(()));
        assert_eq!(check(&p, &mine, perms::WRITE, &me), Err(ErrorCode::NoAuth));
        assert_eq!(
            check(&p, &mine, perms::READ, &me[..1]),
            Err(ErrorCode::NoAuth)
        );
        let boss = [Identity::new("super", "")];
        assert_eq!(check(&p, &mine, perms::ADMIN, &boss), Ok(()));
        let net = list(&[Acl::new(perms::ALL, Id::new("ip", "10.0.0.0/8"))]);
        assert_eq!(check(&p, &net, perms::CREATE, &me), Ok(()));
        assert_eq!(check(&p, &list(&[]), perms::ALL, &[]), Ok(()));
        let skip = Providers {
            skip_acl: true,
            ..Providers::default()
        };
        assert_eq!(check(&skip, &mine, perms::WRITE, &[]), Ok(()));
    }

    #[test]
    fn what_a_client_may_set() {
        let p = Providers::default();
        let me = [
            Identity::new("ip", "10.0.0.1"),
            Identity::new("digest", "a:h"),
        ];
        let auth = Acl::new(perms::ALL, Id::new("auth", ""));
        assert_eq!(
            fixup(&p, &[auth.clone(), auth.clone(), Acl::OPEN], &me).unwrap(),
            [Acl::new(perms::ALL, Id::new("digest", "a:h")), Acl::OPEN]
        );
        for bad in [
            &[auth][..],
            &[],
            &[Acl::new(1, Id::new("world", "x"))],
            &[Acl::new(1, Id::new("sasl", "x"))],
            &[Acl::new(1, Id::new("digest", "nocolon"))],
            &[Acl::new(1, Id::new("ip", "nowhere"))],
        ] {
            assert_eq!(fixup(&p, bad, &me[..1]), Err(ErrorCode::InvalidAcl));
        }
    }
}

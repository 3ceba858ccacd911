//! Commands on access: getAcl, setAcl, addauth, whoami (Java: `GetAclCommand`, `SetAclCommand`,
//! `AclParser`, `AddAuthCommand`, `WhoAmICommand`).

use driver::zk_client::{OwnedAcl, ZkClient};
use proto::zk::acl::perms;

use super::fail::Failure;
use super::nodes::{arguments, number};
use super::options::Parsed;
use super::table::Command;
use super::{text, tree};

type Done = Result<(), Failure>;

/// `scheme:id:perms,...`; parts that are not of this form are named and left out.
pub(super) fn parse_acl(text: &str) -> Vec<OwnedAcl> {
    let mut acl = Vec::new();
    for part in text.split(',') {
        let parsed = part.split_once(':').and_then(|(scheme, rest)| {
            let (id, perms) = rest.rsplit_once(':')?;
            Some((scheme, id, perms))
        });
        match parsed {
            Some((scheme, id, perms)) => acl.push(OwnedAcl::new(parse_perms(perms), scheme, id)),
            None => err!("{part} does not have the form scheme:id:perm"),
        }
    }
    acl
}

fn parse_perms(text: &str) -> i32 {
    let mut bits = 0;
    for letter in text.chars() {
        bits |= match letter {
            'r' => perms::READ,
            'w' => perms::WRITE,
            'c' => perms::CREATE,
            'd' => perms::DELETE,
            'a' => perms::ADMIN,
            other => {
                err!("Unknown perm type: {other}");
                0
            }
        };
    }
    bits
}

pub(super) async fn get_acl(zk: &ZkClient, command: &Command, parsed: &Parsed) -> Done {
    let args = arguments(command, parsed, 1)?;
    let (acl, stat) = zk.get_acl(&args[0]).await?;
    for entry in acl {
        out!(
            "'{},'{}\n: {}",
            entry.scheme,
            entry.id,
            text::permissions(entry.perms)
        );
    }
    if parsed.has("s") {
        out!("{}", text::stat(&stat));
    }
    Ok(())
}

pub(super) async fn set_acl(zk: &ZkClient, command: &Command, parsed: &Parsed) -> Done {
    let args = arguments(command, parsed, 2)?;
    let acl = parse_acl(&args[1]);
    let version = number(parsed, "v")?.unwrap_or(-1);
    if parsed.has("R") {
        let set = async |path: &str| {
            if let Err(error) = zk.set_acl(path, &acl, version).await {
                out!("{error}");
            }
        };
        return Ok(tree::visit(zk, &args[0], false, set).await?);
    }
    let stat = zk.set_acl(&args[0], &acl, version).await?;
    if parsed.has("s") {
        out!("{}", text::stat(&stat));
    }
    Ok(())
}

pub(super) async fn add_auth(zk: &ZkClient, command: &Command, parsed: &Parsed) -> Done {
    let args = arguments(command, parsed, 1)?;
    zk.add_auth(&args[0], args.get(1).map(String::as_bytes))
        .await;
    Ok(())
}

pub(super) async fn who_am_i(zk: &ZkClient) -> Done {
    let users = zk.who_am_i().await?;
    out!("Auth scheme: User");
    for (scheme, user) in users {
        out!("{scheme}: {user}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acls_are_parsed_as_java_does() {
        let acl = parse_acl("world:anyone:r,digest:u:hash=:cdrwa,ip:fe80::1:rw,nonsense");
        let parts: Vec<_> = acl.iter().map(|a| (&*a.scheme, &*a.id, a.perms)).collect();
        assert_eq!(
            parts,
            [
                ("world", "anyone", 1),
                ("digest", "u:hash=", 31),
                ("ip", "fe80::1", 3)
            ]
        );
    }
}

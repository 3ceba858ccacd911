//! Commands on znodes: create, delete, deleteall, set, get, ls, stat, sync and the counts
//! (Java: `CreateCommand`, `DeleteCommand`, `DeleteAllCommand`, `SetCommand`, `GetCommand`,
//! `LsCommand`, `StatCommand`, `SyncCommand`, `GetEphemeralsCommand`, ...).

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use driver::zk_client::{CreateMode, Error, OwnedAcl, ZkClient};
use proto::zk::ErrorCode;

use super::access::parse_acl;
use super::fail::Failure;
use super::options::{Parsed, help};
use super::table::Command;
use super::{text, tree};

/// The longest TTL that a znode can carry, in milliseconds.
const MAX_TTL: i64 = 0x00ff_ffff_ffff;

type Done = Result<(), Failure>;

/// The words after the command's name; too few of them is a failure that shows the usage.
pub(super) fn arguments<'a>(
    command: &Command,
    parsed: &'a Parsed,
    least: usize,
) -> Result<&'a [String], Failure> {
    let args = parsed.args.get(1..).unwrap_or_default();
    if args.len() < least {
        return Err(Failure::new(command.usage_text()));
    }
    Ok(args)
}

/// A number that an option gives.
pub(super) fn number<T: std::str::FromStr>(
    parsed: &Parsed,
    option: &str,
) -> Result<Option<T>, Failure> {
    parsed
        .value(option)
        .map(|text| {
            let message = || format!("-{option} argument must be a number, not \"{text}\"");
            text.parse().map_err(|_| Failure::new(message()))
        })
        .transpose()
}

fn version(parsed: &Parsed) -> Result<i32, Failure> {
    Ok(number(parsed, "v")?.unwrap_or(-1))
}

fn create_mode(parsed: &Parsed) -> Result<(CreateMode, i64), Failure> {
    let [e, s, c, t] = ["e", "s", "c", "t"].map(|option| parsed.has(option));
    let fail = |message: &str| Err(Failure::new(message));
    if c && (e || s) {
        return fail(
            "-c cannot be combined with -s or -e. Containers cannot be ephemeral or sequential.",
        );
    }
    let Ok(ttl) = parsed.value("t").map_or(Ok(0), str::parse::<i64>) else {
        return fail("-t argument must be a long value");
    };
    if t && e {
        return fail("TTLs cannot be used with Ephemeral znodes");
    }
    if t && c {
        return fail("TTLs cannot be used with Container znodes");
    }
    if t && !(1..=MAX_TTL).contains(&ttl) {
        let message = format!("ttl must be positive and cannot be larger than: {MAX_TTL}");
        return fail(&message);
    }
    let mode = match (e, s, t) {
        _ if c => CreateMode::Container,
        (true, true, _) => CreateMode::EphemeralSequential,
        (true, false, _) => CreateMode::Ephemeral,
        (false, true, true) => CreateMode::PersistentSequentialWithTtl,
        (false, true, false) => CreateMode::PersistentSequential,
        (false, false, true) => CreateMode::PersistentWithTtl,
        (false, false, false) => CreateMode::Persistent,
    };
    Ok((mode, ttl))
}

pub(super) async fn create(zk: &ZkClient, command: &Command, parsed: &Parsed) -> Done {
    let args = arguments(command, parsed, 1)?;
    let (mode, ttl) = create_mode(parsed)?;
    let data = args.get(1).map(String::as_bytes);
    let acl = args
        .get(2)
        .map_or_else(|| vec![OwnedAcl::OPEN], |acl| parse_acl(acl));
    let ttl = Duration::from_millis(ttl.unsigned_abs());
    match zk.create_with_ttl(&args[0], data, &acl, mode, ttl).await {
        Ok(path) => {
            err!("Created {path}");
            Ok(())
        }
        Err(error) => {
            match error.code() {
                Some(ErrorCode::EphemeralOnLocalSession) => {
                    err!("Unable to create ephemeral node on a local session");
                }
                Some(ErrorCode::InvalidAcl) => err!("{error}"),
                _ => {}
            }
            Err(error.into())
        }
    }
}

pub(super) async fn delete(zk: &ZkClient, command: &Command, parsed: &Parsed) -> Done {
    let args = arguments(command, parsed, 1)?;
    if args.len() > 1 {
        err!(
            "'delete path [version]' has been deprecated. Please use 'delete [-v version] path' instead."
        );
    }
    Ok(zk.delete(&args[0], version(parsed)?).await?)
}

pub(super) async fn delete_all(zk: &ZkClient, command: &Command, parsed: &Parsed) -> Done {
    let args = arguments(command, parsed, 1)?;
    if command.name == "rmr" {
        err!("The command 'rmr' has been deprecated. Please use 'deleteall' instead.");
    }
    let Ok(batch) = parsed.value("b").map_or(Ok(1000), str::parse::<i32>) else {
        return Err(Failure::new("-b argument must be an int value"));
    };
    if !tree::delete(zk, &args[0], usize::try_from(batch).unwrap_or(0)).await? {
        err!("Failed to delete some node(s) in the subtree!");
    }
    Ok(())
}

pub(super) async fn set(zk: &ZkClient, command: &Command, parsed: &Parsed) -> Done {
    let args = arguments(command, parsed, 2)?;
    let decoded;
    let data = if parsed.has("b") {
        let wrong = |error| Failure::new(format!("the data is not base64: {error}"));
        decoded = BASE64.decode(&args[1]).map_err(wrong)?;
        &decoded
    } else {
        args[1].as_bytes()
    };
    let stat = zk.set_data(&args[0], Some(data), version(parsed)?).await?;
    if parsed.has("s") {
        out!("{}", text::stat(&stat));
    }
    Ok(())
}

/// Before 3.5 a last word `watch` asked for a watch.
fn old_watch(name: &str, instead: &str, args: &[String]) -> bool {
    if args.len() > 1 {
        err!("'{name} path [watch]' has been deprecated. Please use '{instead} path' instead.");
    }
    args.len() > 1
}

pub(super) async fn get(zk: &ZkClient, command: &Command, parsed: &Parsed) -> Done {
    let args = arguments(command, parsed, 1)?;
    let watch = old_watch("get", "get [-s] [-w]", args) || parsed.has("w");
    let (data, stat) = zk.get_data(&args[0], watch).await?;
    let bytes = data.as_deref().unwrap_or(b"null");
    if parsed.has("x") {
        out!("{}", text::hex_dump(bytes));
    } else if parsed.has("b") {
        out!("{}", BASE64.encode(bytes));
    } else {
        out!("{}", text::plain(Some(bytes)));
    }
    if parsed.has("s") {
        out!("{}", text::stat(&stat));
    }
    Ok(())
}

pub(super) async fn ls(zk: &ZkClient, command: &Command, parsed: &Parsed) -> Done {
    if parsed.has("?") {
        let options = help(command.options.unwrap_or_default());
        out!(
            "usage: ls [options] path\n{}",
            options.trim_end_matches('\n')
        );
    }
    let args = parsed.args.get(1..).unwrap_or_default();
    let old = if command.name == "ls2" {
        err!("'ls2' has been deprecated. Please use 'ls [-s] path' instead.");
        args.len() > 1
    } else {
        old_watch("ls", "ls [-w]", args)
    };
    let args = arguments(command, parsed, 1)?;
    let (path, watch) = (&args[0], old || parsed.has("w"));
    if parsed.has("R") {
        return Ok(tree::visit(zk, path, watch, async |path| out!("{path}")).await?);
    }
    let (mut children, stat) = zk.get_children(path, watch).await?;
    tree::sort(&mut children);
    out!("[{}]", children.join(", "));
    if parsed.has("s") || command.name == "ls2" {
        out!("{}", text::stat(&stat));
    }
    Ok(())
}

pub(super) async fn stat(zk: &ZkClient, command: &Command, parsed: &Parsed) -> Done {
    let args = arguments(command, parsed, 1)?;
    let watch = old_watch("stat", "stat [-w]", args) || parsed.has("w");
    match zk.exists(&args[0], watch).await? {
        Some(stat) => {
            out!("{}", text::stat(&stat));
            Ok(())
        }
        None => {
            let (code, path) = (ErrorCode::NoNode, Some(args[0].clone()));
            Err(Error::Keeper { code, path }.into())
        }
    }
}

pub(super) async fn sync(zk: &ZkClient, command: &Command, parsed: &Parsed) -> Done {
    let args = arguments(command, parsed, 1)?;
    let limit = Duration::from_secs(30);
    match tokio::time::timeout(limit, zk.sync(&args[0])).await {
        Ok(Ok(())) => out!("Sync is OK"),
        Ok(Err(Error::Keeper { code, .. })) => out!("Sync has failed. rc={}", code.code()),
        Ok(Err(error)) => return Err(error.into()),
        Err(_) => return Err(Failure::new("sync got no answer within 30 seconds")),
    }
    Ok(())
}

pub(super) async fn all_children(zk: &ZkClient, command: &Command, parsed: &Parsed) -> Done {
    let args = arguments(command, parsed, 1)?;
    out!("{}", zk.get_all_children_number(&args[0]).await?);
    Ok(())
}

pub(super) async fn ephemerals(zk: &ZkClient, parsed: &Parsed) -> Done {
    let prefix = parsed.args.get(1).map_or("/", String::as_str);
    out!("[{}]", zk.get_ephemerals(prefix).await?.join(", "));
    Ok(())
}

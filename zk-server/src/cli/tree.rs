//! Walks over a subtree (Java: `ZKUtil`).

use std::collections::VecDeque;

use driver::zk_client::{Error, Op, ZkClient};
use proto::zk::ErrorCode;
use proto::zk::path::validate;

fn child_path(parent: &str, child: &str) -> String {
    match parent {
        "/" => format!("/{child}"),
        _ => format!("{parent}/{child}"),
    }
}

/// `root` and all below it, parents first, level by level.
async fn list_breadth_first(zk: &ZkClient, root: &str) -> Result<Vec<String>, Error> {
    let mut tree = vec![root.to_owned()];
    let mut queue = VecDeque::from([root.to_owned()]);
    while let Some(node) = queue.pop_front() {
        for child in zk.get_children(&node, false).await?.0 {
            let path = child_path(&node, &child);
            queue.push_back(path.clone());
            tree.push(path);
        }
    }
    Ok(tree)
}

/// Deletes `root` and all below it, leaves first, `batch` znodes a multi; one by one when that is
/// 0. Whether all went.
pub(super) async fn delete(zk: &ZkClient, root: &str, batch: usize) -> Result<bool, Error> {
    validate(root)?;
    let mut tree = list_breadth_first(zk, root).await?;
    tree.reverse();
    if batch == 0 {
        for path in &tree {
            zk.delete(path, -1).await?;
        }
        return Ok(true);
    }
    for paths in tree.chunks(batch) {
        let delete = |path: &String| Op::Delete {
            path: path.clone(),
            version: -1,
        };
        let ops: Vec<_> = paths.iter().map(delete).collect();
        if zk.multi(&ops).await.is_err() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The paths below `root` in Java's order: all children of a znode, then what is below each of
/// them. `visit` is called with `root` first. What vanishes meanwhile is left out.
pub(super) async fn visit(
    zk: &ZkClient,
    root: &str,
    watch: bool,
    mut visit: impl AsyncFnMut(&str),
) -> Result<(), Error> {
    validate(root)?;
    zk.get_data(root, watch).await?;
    visit(root).await;
    let mut stack = vec![root.to_owned()];
    while let Some(node) = stack.pop() {
        let mut children = match zk.get_children(&node, watch).await {
            Ok((children, _)) => children,
            Err(error) if error.code() == Some(ErrorCode::NoNode) => continue,
            Err(error) => return Err(error),
        };
        sort(&mut children);
        let paths: Vec<_> = children
            .iter()
            .map(|child| child_path(&node, child))
            .collect();
        for path in &paths {
            visit(path).await;
        }
        stack.extend(paths.into_iter().rev());
    }
    Ok(())
}

/// Java's order of strings: by UTF-16 units.
pub(super) fn sort(names: &mut [String]) {
    names.sort_by(|a, b| a.encode_utf16().cmp(b.encode_utf16()));
}

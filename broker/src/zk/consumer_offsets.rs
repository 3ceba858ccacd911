//! Offsets of consumer groups in ZooKeeper, where consumers up to 0.8.1 and versions 0 of
//! OffsetCommit and OffsetFetch keep them. Mirrors ConsumerOffset of kafka.zk.ZkData and the
//! methods of KafkaZkClient around it.

use driver::zk_client::{CreateMode, Error, Op, OwnedAcl, ZkClient};
use proto::zk::ErrorCode;

use super::{access, paths};

/// Offsets that go into one multi.
const MULTI: usize = 256;

/// Sets many offsets, given by path; one result for each.
///
/// As a rule all of them leave before the first await, so that what one connection commits is
/// written in the order in which it was committed.
pub(crate) async fn set(client: &ZkClient, offsets: &[(String, i64)]) -> Vec<Result<(), Error>> {
    let mut results = Vec::with_capacity(offsets.len());
    for chunk in offsets.chunks(MULTI) {
        let ops: Vec<Op> = chunk.iter().map(set_op).collect();
        if client.multi(&ops).await.is_ok() {
            results.extend(chunk.iter().map(|_| Ok(())));
            continue;
        }
        // one that is not there yet, or that cannot be: each for itself
        for (path, offset) in chunk {
            results.push(set_or_create(client, path, &encode(*offset)).await);
        }
    }
    results
}

fn set_op((path, offset): &(String, i64)) -> Op {
    Op::SetData {
        path: path.clone(),
        data: Some(encode(*offset).into()),
        version: -1,
    }
}

async fn set_or_create(client: &ZkClient, path: &str, data: &[u8]) -> Result<(), Error> {
    loop {
        match access::retry(|| client.set_data(path, Some(data), -1)).await {
            Err(error) if error.code() == Some(ErrorCode::NoNode) => {}
            done => return done.map(drop),
        }
        if let Some((parent, _)) = path.rsplit_once('/') {
            access::create_all(client, parent, None).await?;
        }
        let acl = [OwnedAcl::OPEN];
        match access::retry(|| client.create(path, Some(data), &acl, CreateMode::Persistent)).await
        {
            // somebody else was faster, or the answer to our own create was lost
            Err(error) if error.code() == Some(ErrorCode::NodeExists) => {}
            done => return done.map(drop),
        }
    }
}

/// A znode that holds something else than an offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NoOffset;

/// The offsets at `paths`, in their order; `None` where nothing is committed.
pub(crate) async fn get(
    client: &ZkClient,
    paths: Vec<String>,
) -> Result<Vec<Result<Option<i64>, NoOffset>>, Error> {
    let nodes = access::get_all(client, paths, false).await?;
    let decoded = nodes.iter().map(|node| match node {
        Some((data, _)) => decode(data),
        None => Ok(None),
    });
    Ok(decoded.collect())
}

/// Where a group's offset of a partition lies.
pub(crate) fn path(group: &str, topic: &str, partition: i32) -> String {
    format!("{}/{group}/offsets/{topic}/{partition}", paths::CONSUMERS)
}

fn encode(offset: i64) -> Vec<u8> {
    offset.to_string().into_bytes()
}

fn decode(data: &[u8]) -> Result<Option<i64>, NoOffset> {
    if data.is_empty() {
        return Ok(None);
    }
    let text = std::str::from_utf8(data).map_err(|_| NoOffset)?;
    text.parse().map(Some).map_err(|_| NoOffset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_decimal_text() {
        assert_eq!(decode(&encode(42)), Ok(Some(42)));
        assert_eq!(decode(&encode(i64::MIN)), Ok(Some(i64::MIN)));
        assert_eq!(decode(b""), Ok(None));
        assert_eq!(decode(b"x"), Err(NoOffset));
        assert_eq!(path("g", "t", 3), "/consumers/g/offsets/t/3");
    }
}

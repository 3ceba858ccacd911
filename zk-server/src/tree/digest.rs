//! The digest of one znode and of the tree (Java: `DigestCalculator`, `AdHash`; digest version 2).
//!
//! A node's digest is the CRC-32 of path, data and persisted stat; the tree's is their wrapping
//! sum. The CRC after path and data is kept with each node, so that a change of the stat alone
//! (every create and delete changes its parent's) never reads the data again.
//!
//! What is summed up here is short, and short is slow: a CRC goes byte by byte over what is left of
//! its last 64. So zeros are put before it, which a CRC that begins with no bit set does not see.

use crc32fast::Hasher;
use proto::zk::stat::StatPersisted;

/// What Java calls `DIGEST_VERSION`.
pub const VERSION: i32 = 2;

/// Everything below this is left out: quota nodes differ between servers.
const EXCLUDED: &str = "/zookeeper/";

/// Does the tree's digest count this path?
pub fn counts(path: &str) -> bool {
    !path.starts_with(EXCLUDED)
}

/// The checksums of a node; both are 0 where the tree's digest leaves it out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Crc {
    /// of path and data
    pub prefix: u32,
    /// of path, data and stat: what the node adds to the tree's digest
    pub whole: u32,
}

/// Bytes that a CRC takes at once.
const STEP: usize = 64;
/// Longer input is not copied to save its last bytes.
const SHORT: usize = 4 * STEP;

/// The CRC of what `zeros` zeros were put before, behind bytes with the CRC `before`. A CRC that has
/// come so far goes on as one with no bit set would if its bits were those of the next four bytes.
fn padded(before: u32, bytes: &mut [u8], zeros: usize) -> u32 {
    let next = bytes.iter_mut().skip(zeros);
    for (byte, state) in next.zip((!before).to_le_bytes()) {
        *byte ^= state;
    }
    let mut crc = Hasher::new_with_initial(!0);
    crc.update(bytes);
    crc.finalize()
}

/// CRC over path and data; the root's path is the empty string here.
pub fn prefix(path: &str, data: &[u8]) -> u32 {
    let path = if path == "/" { "" } else { path };
    let length = path.len() + data.len();
    if (4..=SHORT).contains(&length) {
        let mut bytes = [0; SHORT];
        let end = length.next_multiple_of(STEP);
        let (zeros, middle) = (end - length, end - data.len());
        bytes[zeros..middle].copy_from_slice(path.as_bytes());
        bytes[middle..end].copy_from_slice(data);
        return padded(0, &mut bytes[..end], zeros);
    }
    let mut crc = Hasher::new();
    crc.update(path.as_bytes());
    crc.update(data);
    crc.finalize()
}

/// The node's digest, from [`prefix`] and its stat.
pub fn finish(prefix: u32, stat: &StatPersisted) -> u32 {
    /// Before its 60 bytes.
    const ZEROS: usize = 4;
    let mut bytes = [0u8; STEP];
    let mut at = ZEROS;
    let mut put = |b: &[u8]| {
        bytes[at..at + b.len()].copy_from_slice(b);
        at += b.len();
    };
    put(&stat.czxid.to_be_bytes());
    put(&stat.mzxid.to_be_bytes());
    put(&stat.pzxid.to_be_bytes());
    put(&stat.ctime.to_be_bytes());
    put(&stat.mtime.to_be_bytes());
    put(&stat.version.to_be_bytes());
    put(&stat.cversion.to_be_bytes());
    put(&stat.aversion.to_be_bytes());
    put(&stat.ephemeral_owner.to_be_bytes());
    padded(prefix, &mut bytes, ZEROS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_the_crc_of_path_data_and_stat() {
        let stat = StatPersisted {
            czxid: 1,
            version: 3,
            ephemeral_owner: -1,
            ..StatPersisted::default()
        };
        let mut all = b"/axyz".to_vec();
        all.extend_from_slice(&1i64.to_be_bytes());
        all.extend_from_slice(&[0; 32]);
        all.extend_from_slice(&3i32.to_be_bytes());
        all.extend_from_slice(&[0; 8]);
        all.extend_from_slice(&(-1i64).to_be_bytes());
        assert_eq!(finish(prefix("/a", b"xyz"), &stat), crc32fast::hash(&all));
    }

    #[test]
    fn padding_changes_no_checksum() {
        let data: Vec<u8> = (0..600u32).map(|i| (i * 7 + 3) as u8).collect();
        for length in 0..data.len() {
            for path in ["", "/", "/a", "/a/long/path/of/a/znode"] {
                let mut all = path.trim_end_matches('/').as_bytes().to_vec();
                all.extend(&data[..length]);
                assert_eq!(prefix(path, &data[..length]), crc32fast::hash(&all));
            }
        }
    }

    #[test]
    fn zookeepers_own_subtree_does_not_count() {
        assert!(counts("/zookeeper") && counts("/zookeeper2/a") && counts("/"));
        assert!(!counts("/zookeeper/quota"));
    }
}

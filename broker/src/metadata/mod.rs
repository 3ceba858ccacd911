//! What this broker knows of the cluster: brokers, topics, leaders.

mod cache;
mod image;

pub use cache::MetadataCache;
pub use image::{ClusterImage, Node, NodeEndPoint, PartitionImage, TopicImage};

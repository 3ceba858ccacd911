//! The current image, read without locks, and a way to wait for the next. Mirrors
//! kafka.server.MetadataCache.

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use proto::kafka::Str;
use proto::kafka::messages::update_metadata::UpdateMetadataRequest;
use tokio::sync::watch;

use super::image::ClusterImage;

/// Shared by all handlers; one writer, the controller's requests.
#[derive(Debug)]
pub struct MetadataCache {
    image: ArcSwap<ClusterImage>,
    changed: watch::Sender<u64>,
}

impl Default for MetadataCache {
    fn default() -> Self {
        Self {
            image: ArcSwap::default(),
            changed: watch::Sender::new(0),
        }
    }
}

impl MetadataCache {
    /// The image of this moment.
    pub fn load(&self) -> Guard<Arc<ClusterImage>> {
        self.image.load()
    }

    /// The same, to be kept over awaits.
    pub fn load_full(&self) -> Arc<ClusterImage> {
        self.image.load_full()
    }

    /// Takes over what the controller says; returns the partitions whose topics are gone. Called
    /// from one place at a time.
    pub fn update(&self, request: &UpdateMetadataRequest) -> Vec<(Str, i32)> {
        let (next, deleted) = self.image.load().updated(request);
        self.image.store(Arc::new(next));
        self.changed.send_modify(|version| *version += 1);
        deleted
    }

    /// Waits until `found` says so; check it with a limit of time.
    pub async fn wait_for(&self, mut found: impl FnMut(&ClusterImage) -> bool) {
        let mut changed = self.changed.subscribe();
        while !found(&self.image.load()) {
            if changed.changed().await.is_err() {
                return;
            }
        }
    }
}

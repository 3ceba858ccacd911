//! The database while the files are read: the bridge between [`super::recover`] and the tree.

use bytes::Bytes;
use proto::zk::txn::TxnHeader;

use super::image::{Image, ImageSink};
use super::recover::Replay;
use crate::tree::{Database, EphemeralTypes};
use crate::units::Zxid;

/// How the database is to be made.
#[derive(Debug, Clone, Copy, Default)]
pub struct DatabaseSettings {
    pub types: EphemeralTypes,
    /// `digest.enabled`
    pub digest: bool,
    /// How many committed transactions it keeps for learners (`commitLogCount`); 0 for a server
    /// that has none.
    pub commit_log: usize,
}

impl DatabaseSettings {
    /// One for a snapshot to fill.
    pub fn for_snapshot(&self) -> Database {
        self.with(Database::for_snapshot(self.types, self.digest))
    }

    /// That of a new server.
    pub fn new_database(&self) -> Database {
        self.with(Database::new(self.types, self.digest))
    }

    fn with(&self, mut database: Database) -> Database {
        database.committed_mut().keep(self.commit_log);
        database
    }
}

#[derive(Debug)]
pub(super) struct Restoring {
    settings: DatabaseSettings,
    pub(super) database: Database,
    /// snapshots whose digest is not that of the tree they give
    pub(super) mismatches: Vec<Zxid>,
}

impl Restoring {
    pub(super) fn new(settings: DatabaseSettings) -> Self {
        Self {
            database: settings.new_database(),
            settings,
            mismatches: Vec::new(),
        }
    }
}

impl Replay for Restoring {
    fn restart(&mut self) {
        self.database = self.settings.for_snapshot();
    }

    fn begin_new(&mut self) {
        self.database = self.settings.new_database();
    }

    fn sink(&mut self) -> &mut dyn ImageSink {
        &mut self.database
    }

    fn loaded(&mut self, zxid: Zxid) -> Result<(), String> {
        if !self.database.loaded(zxid) {
            self.mismatches.push(zxid);
        }
        self.database.committed_mut().keep(self.settings.commit_log);
        Ok(())
    }

    fn apply(&mut self, header: &TxnHeader, record: &[u8]) -> Result<(), String> {
        let applied = self.database.apply_logged(record);
        applied.map_err(|error| error.to_string())?;
        if self.settings.commit_log > 0 {
            let record = Bytes::copy_from_slice(record);
            self.database.committed_mut().push(header.zxid, record);
        }
        Ok(())
    }

    fn image(&self) -> Image {
        self.database.image()
    }
}

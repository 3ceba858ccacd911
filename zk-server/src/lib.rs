//! A ZooKeeper server.

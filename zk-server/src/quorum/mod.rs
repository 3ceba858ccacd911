//! Who votes: the members of the ensemble and what counts as a quorum of them (Java:
//! `QuorumVerifier`, `QuorumMaj`, `QuorumHierarchical`).

pub mod view;

pub use view::View;

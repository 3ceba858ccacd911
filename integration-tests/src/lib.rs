//! Harness of the integration tests: real processes, simulated world, oracles.

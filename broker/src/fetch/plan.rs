//! Cuts the bytes that the partitions of a fetch offer to the request's budget, in the order of the
//! request. Pure. Mirrors kafka.server.ReplicaManager.readFromLog and KIP-74.

/// What is left for the partitions that have not been looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    left: usize,
    /// the first batch found is given even where it is larger than every limit
    at_least_one: bool,
    /// limits hold to the byte, as clients before Fetch v3 expect: a batch may come cut off
    hard: bool,
}

impl Budget {
    pub fn new(max_bytes: usize, hard: bool) -> Self {
        Self {
            left: max_bytes,
            at_least_one: !hard,
            hard,
        }
    }

    /// Whether a partition is to offer its first batch whole, however large.
    pub fn asks_for_whole_batches(&self) -> bool {
        !self.hard
    }

    /// How many of the `offered` bytes go out, where the first batch takes `first_batch` and the
    /// request sets a limit of `partition_max` for this partition.
    pub fn take(&mut self, offered: usize, first_batch: usize, partition_max: usize) -> usize {
        let allowed = partition_max.min(self.left);
        let given = if self.at_least_one {
            offered.min(allowed.max(first_batch))
        } else if !self.hard && allowed < first_batch {
            0
        } else {
            offered.min(allowed)
        };
        if given > 0 {
            self.at_least_one = false;
        }
        self.left = self.left.saturating_sub(given);
        given
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_batch_goes_out_whatever_the_limits() {
        let mut budget = Budget::new(100, false);
        assert_eq!(budget.take(0, 0, 10), 0);
        assert_eq!(budget.take(500, 300, 10), 300);
        assert_eq!(budget.take(500, 50, 10), 0, "one such batch is enough");
        assert_eq!(budget.take(500, 50, 400), 0, "and it used the budget up");
    }

    #[test]
    fn partitions_share_the_budget_in_order() {
        let mut budget = Budget::new(1000, false);
        assert_eq!(budget.take(900, 100, 600), 600);
        assert_eq!(budget.take(900, 100, 600), 400);
        assert_eq!(budget.take(900, 100, 600), 0);
    }

    #[test]
    fn old_clients_get_batches_cut_off() {
        let mut budget = Budget::new(usize::MAX, true);
        assert_eq!(budget.take(500, 300, 10), 10);
        assert_eq!(budget.take(500, 300, 1000), 500);
    }
}

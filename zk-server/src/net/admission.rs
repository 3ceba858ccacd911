//! How many connections there are, in all and by address, and who is turned away
//! (`maxClientCnxns`, `maxCnxns`).

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use driver::metrics::Counter;

#[derive(Debug)]
pub struct Admission {
    /// 0: no limit
    per_address: u32,
    /// 0: no limit
    total: u32,
    open: Mutex<Open>,
    pub rejected: Counter,
}

#[derive(Debug, Default)]
struct Open {
    total: u32,
    by_address: HashMap<IpAddr, u32>,
}

/// Why a connection is turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    Address { max: u32 },
    Total { open: u32, max: u32 },
}

/// A place that is free again when this is dropped.
#[derive(Debug)]
pub struct Place {
    admission: Arc<Admission>,
    address: IpAddr,
}

impl Admission {
    pub fn new(per_address: u32, total: u32) -> Self {
        Self {
            per_address,
            total,
            open: Mutex::default(),
            rejected: Counter::default(),
        }
    }

    pub fn admit(self: &Arc<Self>, address: IpAddr) -> Result<Place, Refusal> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let refused = if self.total > 0 && open.total >= self.total {
            Some(Refusal::Total {
                open: open.total,
                max: self.total,
            })
        } else {
            let held = open.by_address.get(&address).copied().unwrap_or(0);
            (self.per_address > 0 && held >= self.per_address).then_some(Refusal::Address {
                max: self.per_address,
            })
        };
        if let Some(refusal) = refused {
            self.rejected.add(1);
            return Err(refusal);
        }
        open.total += 1;
        *open.by_address.entry(address).or_default() += 1;
        Ok(Place {
            admission: self.clone(),
            address,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self
            .admission
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        open.total -= 1;
        if let Some(held) = open.by_address.get_mut(&self.address) {
            *held -= 1;
            if *held == 0 {
                open.by_address.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_and_given_back() {
        let admission = Arc::new(Admission::new(2, 3));
        let (one, two): (IpAddr, IpAddr) =
            ("127.0.0.1".parse().unwrap(), "127.0.0.2".parse().unwrap());
        let first = admission.admit(one).unwrap();
        let _second = admission.admit(one).unwrap();
        assert_eq!(
            admission.admit(one).unwrap_err(),
            Refusal::Address { max: 2 }
        );
        let _third = admission.admit(two).unwrap();
        let full = Refusal::Total { open: 3, max: 3 };
        assert_eq!(admission.admit(two).unwrap_err(), full);
        drop(first);
        assert!(admission.admit(one).is_ok());
        assert_eq!(admission.rejected.get(), 2);
    }
}

//! A door that opens once and stays open: what waits in front of it goes on then. Looking at an open
//! one costs a load. Knows nothing of what it guards.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

#[derive(Debug, Default)]
pub(crate) struct Gate {
    open: AtomicBool,
    waiting: Notify,
}

impl Gate {
    pub(crate) fn is_open(&self) -> bool {
        self.open.load(Ordering::Acquire)
    }

    pub(crate) fn open(&self) {
        self.open.store(true, Ordering::Release);
        self.waiting.notify_waiters();
    }

    /// Returns when it is open.
    pub(crate) async fn pass(&self) {
        // it hears of everything that is told from here on
        let opened = self.waiting.notified();
        if !self.is_open() {
            opened.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn those_who_wait_go_on_and_later_ones_need_not_wait() {
        let gate = Arc::new(Gate::default());
        let waiting = (0..3).map(|_| {
            let gate = gate.clone();
            async move { gate.pass().await }
        });
        let mut waiting: Vec<_> = waiting.map(Box::pin).collect();
        for one in &mut waiting {
            let polled = std::future::poll_fn(|cx| std::task::Poll::Ready(one.as_mut().poll(cx)));
            assert!(polled.await.is_pending());
        }
        gate.open();
        for one in waiting {
            one.await;
        }
        gate.pass().await;
    }
}

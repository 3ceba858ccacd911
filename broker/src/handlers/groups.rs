//! What the handlers of the group APIs share: finding the coordinator, waiting for its reply.

use std::sync::Arc;

use proto::kafka::{Message, Str};
use tokio::sync::oneshot;

use super::{Call, Handled};
use crate::group::effect::{Identity, Reply};
use crate::group::runtime::Groups;

/// The coordinator; `None` while the broker starts or stops.
pub(super) fn groups(call: &Call) -> Option<Arc<Groups>> {
    call.broker.groups.get().cloned()
}

/// Answers with what `respond` makes of the reply: at once when it is there already. A reply that
/// never comes means that the broker is going down.
pub(super) fn answer<M: Message + Send + 'static>(
    call: Call,
    mut reply: oneshot::Receiver<Reply>,
    respond: impl FnOnce(&Call, Option<Reply>) -> M + Send + 'static,
) -> Handled {
    match reply.try_recv() {
        Ok(reply) => {
            let body = respond(&call, Some(reply));
            call.now(&body)
        }
        Err(_) => Handled::later(async move {
            let reply = reply.await.ok();
            let body = respond(&call, reply);
            call.answer(&body)
        }),
    }
}

pub(super) fn identity(member_id: &Str, group_instance_id: Option<&Str>) -> Identity {
    Identity {
        member_id: member_id.to_string(),
        group_instance_id: group_instance_id.map(|id| id.to_string()),
    }
}

/// Text of the coordinator for a response.
pub(super) fn text(text: &str) -> Str {
    Str::from(text)
}

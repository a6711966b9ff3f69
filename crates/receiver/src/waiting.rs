//! The time that a body waits for the application.

use std::{
    future::poll_fn,
    pin::pin,
    task::{Context, Poll},
};

use metrics::{Flow, Stamp};

/// Runs `work` of the application. If `work` is not ready at its first poll, the time from that poll until it is ready
/// counts as a wait of the flow. The clock is read only in that case.
pub(crate) async fn waiting<T>(flow: &mut Flow, work: impl Future<Output = T>) -> T {
    let (mut work, mut since) = (pin!(work), None);
    let done = poll_fn(|cx: &mut Context<'_>| {
        let polled: Poll<T> = work.as_mut().poll(cx);
        if polled.is_pending() {
            since.get_or_insert_with(Stamp::now);
        }
        polled
    })
    .await;
    if let Some(since) = since {
        flow.waited_for_application(since.elapsed());
    }
    done
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use metrics::Meter;

    use super::*;

    #[tokio::test]
    async fn only_work_that_is_not_ready_at_once_is_a_wait() {
        let meter = Meter::counting();
        let mut flow = meter.flow();
        assert_eq!(waiting(&mut flow, async { 1 }).await, 1);
        assert_eq!(meter.readings().application_wait, Duration::ZERO);
        waiting(&mut flow, tokio::time::sleep(Duration::from_millis(20))).await;
        assert!(meter.readings().application_wait >= Duration::from_millis(19));
    }
}

//! Tests of attempts.

use super::*;

fn contents(lengths: &[u64]) -> Contents {
    let content = |bytes| ContentReport { bytes, ..ContentReport::default() };
    lengths.iter().map(|bytes| (content(*bytes), Duration::from_secs(2))).collect()
}

#[tokio::test]
async fn bodies_of_different_lengths_have_no_figure_in_common() {
    let equal = conclude(Outcome::default(), Ok(contents(&[8, 8]))).await.outcome;
    assert_eq!((equal.fault, equal.elapsed_s), (None, Some(2.0)));
    assert_eq!(equal.bodies.map(|bodies| (bodies.count, bodies.median)), Some((2, 4.0)));
    let fault = conclude(Outcome::default(), Ok(contents(&[8, 9]))).await.outcome.fault.unwrap();
    assert!(fault.message.contains("from 8 to 9 bytes"), "{fault:?}");
}

#[tokio::test]
async fn one_body_that_differs_is_a_fault_of_all() {
    let mut bodies = contents(&[8, 8, 8]);
    for (body, _) in &mut bodies {
        body.sent = Some(SentContent::Digested(payload::Hasher::new().digest()));
        body.received = body.sent.as_ref().and_then(SentContent::digest);
    }
    bodies[1].0.received = Some("0".into());
    let outcome = conclude(Outcome::default(), Ok(bodies)).await.outcome;
    assert_eq!(outcome.fault.unwrap().kind, FaultKind::Integrity);
    assert!(!outcome.integrity.unwrap().matches);
}

#[test]
fn content_is_unread_if_no_body_was_read() {
    let activities = [Activity::default(), Activity::default()];
    assert_eq!(content_state(&activities), ContentState::Unread);
    let activities = [Activity::default(), Activity::default()];
    assert!(activities[0].begin());
    assert_eq!(content_state(&activities), ContentState::Touched);
    assert!(!activities[1].begin(), "nothing is read after the decision");
}

#[test]
fn bytes_could_move_as_long_as_one_body_could() {
    let activities = [Activity::default(), Activity::default()];
    let links: Links = Arc::new(transport::Link::default);
    assert_eq!(pulse(&activities, 7, &links), None);
    activities[1].set(State::Moving);
    assert_eq!(pulse(&activities, 7, &links), Some(7));
    activities[1].set(State::Complete);
    assert_eq!(pulse(&activities, 7, &links), None);
}

//! The wire format: round trips, golden bytes, hostile bytes.

use proptest::prelude::*;

use super::*;

fn record() -> MembershipRecord {
    MembershipRecord { voters: vec![vec![1, 2, 3], vec![2, 3, 400]], nodes: vec![1, 2, 3, 400] }
}

fn id(term: u64, index: u64) -> WireLogId {
    WireLogId { term, index }
}

fn vote() -> WireVote {
    WireVote { term: 7, voted_for: Some(3), committed: true }
}

/// What earlier builds wrote to disk is read as what it meant.
#[test]
fn what_is_persisted_is_pinned() {
    let membership = WireMembership { log_id: Some(id(7, 1000)), record: record() };
    let stored = include_bytes!("../../../tests/golden/membership-v1.bin");
    assert_eq!(encode_membership(&membership).unwrap(), stored);
    assert_eq!(decode_membership(stored.to_vec()).unwrap(), membership);
    let stored = include_bytes!("../../../tests/golden/vote-v1.bin");
    assert_eq!(encode(&vote(), &[]).unwrap(), stored.as_slice());
    assert_eq!(decode::<WireVote>(Bytes::from_static(stored)).unwrap().0, vote());
    let stored = include_bytes!("../../../tests/golden/membership-entry-v1.bin");
    assert_eq!(crate::entry::Payload::membership(&record()).unwrap().concat(), stored);
}

#[test]
fn votes_and_memberships_survive_conversion() {
    assert_eq!(WireVote::from(Vote::from(vote())), vote());
    assert_eq!(MembershipRecord::from(&Membership::from(&record())), record());
    assert_eq!(WireLogId::from(LogId::from(id(3, 4))), id(3, 4));
}

#[test]
fn a_message_keeps_what_follows_its_head() {
    let entries = vec![WireEntry { log_id: id(1, 2), payload_bytes: 5 }];
    let request = Request::Append { vote: vote(), previous: Some(id(1, 1)), entries, committed: None };
    let message = encode(&request, &[Bytes::from_static(b"he"), Bytes::from_static(b"llo")]).unwrap();
    let (read, rest): (Request, _) = decode(message).unwrap();
    assert_eq!(read, request);
    assert_eq!(rest, Bytes::from_static(b"hello"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn nonsense_is_refused_and_harmless(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode::<Request>(Bytes::from(bytes.clone()));
        let mut framed = vec![VERSION];
        framed.extend((bytes.len() as u32).to_le_bytes());
        framed.extend(bytes);
        let _ = decode::<Request>(Bytes::from(framed));
    }

    #[test]
    fn a_cut_message_is_refused(cut in 0..40usize) {
        let request = Request::Vote { vote: vote(), last: Some(id(5, 5)) };
        let message = encode(&request, &[]).unwrap();
        prop_assume!(cut < message.len());
        prop_assert!(decode::<Request>(message.slice(..cut)).is_err());
    }
}

//! The walker against the decoder: requests made from the shapes are read alike by both, and nothing
//! that the walker lets through makes the decoder panic or grow.

use bytes::{BufMut, Bytes};
use kafka_protocol::messages::{ApiKey, *};
use kafka_protocol::protocol::Decodable;
use proptest::prelude::*;

use super::guard;
use super::shapes::{Kind, Shape, request_shape};
use crate::apis::APIS;

/// A small random number generator, so that a request is a function of its seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

fn varint(out: &mut Vec<u8>, mut value: usize) {
    while value >= 0x80 {
        out.put_u8((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.put_u8(value as u8);
}

fn make(shape: &Shape, version: i16, dice: &mut Dice, out: &mut Vec<u8>) {
    let flexible = version >= shape.flexible_since;
    for field in shape.fields {
        if (field.first..=field.last).contains(&version) {
            make_field(&field.kind, version, flexible, dice, out);
        }
    }
    if flexible {
        make_tags(shape, version, dice, out);
    }
}

fn make_tags(shape: &Shape, version: i16, dice: &mut Dice, out: &mut Vec<u8>) {
    // All tags that are known exist in version 18 of Fetch, the only request that has any.
    let known: &[_] = if dice.roll(2) == 0 && version >= 18 { shape.tags } else { &[] };
    let unknown = dice.roll(3) as usize;
    varint(out, known.len() + unknown);
    for (tag, kind) in known {
        let mut content = Vec::new();
        make_field(kind, version, true, dice, &mut content);
        varint(out, *tag as usize);
        varint(out, content.len());
        out.extend(content);
    }
    for n in 0..unknown {
        varint(out, 100 + n);
        varint(out, 3);
        out.extend([1, 2, 3]);
    }
}

fn make_field(kind: &Kind, version: i16, flexible: bool, dice: &mut Dice, out: &mut Vec<u8>) {
    let count = dice.roll(4) as usize;
    match kind {
        Kind::Fixed(size) => out.extend((0..*size).map(|_| dice.roll(256) as u8)),
        Kind::Text => {
            if flexible {
                varint(out, count + 1)
            } else {
                out.put_i16(count as i16)
            }
            out.extend(std::iter::repeat_n(b'x', count));
        }
        Kind::Blob => {
            length(out, count, flexible);
            out.extend((0..count).map(|_| dice.roll(256) as u8));
        }
        Kind::Struct(shape) => make(shape, version, dice, out),
        Kind::OptionalStruct(shape) => match dice.roll(2) {
            0 => out.put_i8(-1),
            _ => {
                out.put_i8(1);
                make(shape, version, dice, out);
            }
        },
        Kind::FixedList(size) => {
            length(out, count, flexible);
            out.extend((0..count * size).map(|_| dice.roll(256) as u8));
        }
        Kind::TextList => {
            length(out, count, flexible);
            (0..count).for_each(|_| make_field(&Kind::Text, version, flexible, dice, out));
        }
        Kind::List(shape) => {
            length(out, count, flexible);
            (0..count).for_each(|_| make(shape, version, dice, out));
        }
    }
}

fn length(out: &mut Vec<u8>, count: usize, flexible: bool) {
    if flexible { varint(out, count + 1) } else { out.put_i32(count as i32) }
}

/// Decodes with the message crate. Answers what was left over.
fn decode(api: ApiKey, version: i16, body: &[u8]) -> Result<usize, String> {
    macro_rules! decode {
        ($($name:ident: $request:ident,)*) => {
            match api {
                $(ApiKey::$name => {
                    let mut body = Bytes::copy_from_slice(body);
                    $request::decode(&mut body, version).map(|_| body.len()).map_err(|e| e.to_string())
                })*
                other => panic!("{other:?} is not listed in this test"),
            }
        };
    }
    decode! {
        AddPartitionsToTxn: AddPartitionsToTxnRequest, AddOffsetsToTxn: AddOffsetsToTxnRequest,
        EndTxn: EndTxnRequest, WriteTxnMarkers: WriteTxnMarkersRequest,
        TxnOffsetCommit: TxnOffsetCommitRequest, DescribeProducers: DescribeProducersRequest,
        DescribeTransactions: DescribeTransactionsRequest, ListTransactions: ListTransactionsRequest,
        DescribeLogDirs: DescribeLogDirsRequest,
        ElectLeaders: ElectLeadersRequest,
        AlterPartitionReassignments: AlterPartitionReassignmentsRequest,
        ListPartitionReassignments: ListPartitionReassignmentsRequest,
        DescribeClientQuotas: DescribeClientQuotasRequest,
        AlterClientQuotas: AlterClientQuotasRequest,
        DescribeQuorum: DescribeQuorumRequest, UpdateFeatures: UpdateFeaturesRequest,
        GetTelemetrySubscriptions: GetTelemetrySubscriptionsRequest, PushTelemetry: PushTelemetryRequest,
        ListConfigResources: ListConfigResourcesRequest,
        DescribeUserScramCredentials: DescribeUserScramCredentialsRequest,
        Produce: ProduceRequest, Fetch: FetchRequest, ListOffsets: ListOffsetsRequest, Metadata: MetadataRequest,
        OffsetCommit: OffsetCommitRequest, OffsetFetch: OffsetFetchRequest,
        FindCoordinator: FindCoordinatorRequest, JoinGroup: JoinGroupRequest, Heartbeat: HeartbeatRequest,
        LeaveGroup: LeaveGroupRequest, SyncGroup: SyncGroupRequest, DescribeGroups: DescribeGroupsRequest,
        ListGroups: ListGroupsRequest, ApiVersions: ApiVersionsRequest, CreateTopics: CreateTopicsRequest,
        DeleteTopics: DeleteTopicsRequest, DeleteRecords: DeleteRecordsRequest,
        InitProducerId: InitProducerIdRequest, OffsetForLeaderEpoch: OffsetForLeaderEpochRequest,
        DescribeConfigs: DescribeConfigsRequest, AlterConfigs: AlterConfigsRequest,
        CreatePartitions: CreatePartitionsRequest, DeleteGroups: DeleteGroupsRequest,
        IncrementalAlterConfigs: IncrementalAlterConfigsRequest, OffsetDelete: OffsetDeleteRequest,
        DescribeCluster: DescribeClusterRequest, DescribeTopicPartitions: DescribeTopicPartitionsRequest,
    }
}

fn every_version() -> impl Iterator<Item = (ApiKey, i16)> {
    APIS.iter().flat_map(|api| (api.min..=api.max).map(|version| (api.key, version)))
}

fn request(api: ApiKey, version: i16, seed: u64) -> Vec<u8> {
    let mut out = Vec::new();
    make(request_shape(api).unwrap(), version, &mut Dice(seed), &mut out);
    out
}

#[test]
fn walker_and_decoder_read_every_version_alike() {
    for (api, version) in every_version() {
        for seed in 0..20 {
            let body = request(api, version, seed);
            assert_eq!(decode(api, version, &body), Ok(0), "{api:?} {version}: the shape is wrong");
            assert_eq!(guard::check(api, version, &body), Ok(()), "{api:?} {version}");
            let cut = &body[..body.len().saturating_sub(1)];
            if !body.is_empty() {
                assert!(guard::check(api, version, cut).is_err(), "{api:?} {version}: cut short");
            }
        }
    }
}

#[test]
fn an_array_that_claims_too_much_is_refused_before_it_is_allocated() {
    let classic = [0x7f, 0xff, 0xff, 0xff];
    let compact = [0xff, 0xff, 0xff, 0xff, 0x0f];
    assert!(guard::check(ApiKey::Metadata, 1, &classic).is_err());
    assert!(guard::check(ApiKey::Metadata, 12, &compact).is_err());
    let many = (1u32 << 18) + 1;
    let mut names = many.to_be_bytes().to_vec();
    names.extend(std::iter::repeat_n([0u8, 0], many as usize).flatten());
    assert_eq!(guard::check(ApiKey::DeleteGroups, 0, &names), Err(super::DecodeError::TooManyElements));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_requests_never_panic(
        pick in any::<prop::sample::Index>(),
        seed in any::<u64>(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        tail in prop::collection::vec(any::<u8>(), 0..8),
    ) {
        let all: Vec<_> = every_version().collect();
        let (api, version) = *pick.get(&all);
        let mut body = request(api, version, seed);
        for (place, byte) in damage {
            if !body.is_empty() {
                let place = place.index(body.len());
                body[place] = byte;
            }
        }
        body.extend(tail);
        if guard::check(api, version, &body).is_ok() {
            let _ = decode(api, version, &body);
        }
    }

    #[test]
    fn random_frames_never_panic(frame in prop::collection::vec(any::<u8>(), 0..64), version in 0..20i16) {
        let mut bytes = Bytes::from(frame.clone());
        let _ = super::RequestHead::parse(&mut bytes);
        for api in APIS {
            if (api.min..=api.max).contains(&version) && guard::check(api.key, version, &frame).is_ok() {
                let _ = decode(api.key, version, &frame);
            }
        }
    }
}

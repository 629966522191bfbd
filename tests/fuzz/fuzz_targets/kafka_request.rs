//! Every request that is served, in every version: the first byte picks the API and the second the
//! version, so that all decoders are tried alike. The decoder of the server is compiled in from its
//! source; the server as a whole would bring in half the workspace, instrumented.
#![no_main]
#![allow(dead_code, unreachable_pub, reason = "only the decoder is of interest here")]

#[path = "../../../runtime/kafka-server/src/apis.rs"]
mod apis;
#[path = "../../../runtime/kafka-server/src/decode/mod.rs"]
mod decode;

use bytes::Bytes;
use kafka_protocol::messages::RequestKind;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut frame = Bytes::copy_from_slice(data);
    if let Ok(head) = decode::RequestHead::parse(&mut frame) {
        let _ = apis::check(head.api, head.version);
    }
    let [api, version, body @ ..] = data else {
        return;
    };
    let api = &apis::APIS[usize::from(*api) % apis::APIS.len()];
    let version = api.min + i16::from(*version) % (api.max - api.min + 1);
    if decode::check(api.key, version, body).is_err() {
        return;
    }
    // The memory limit of the fuzzer is the assertion: what the check lets through decodes within it.
    let mut body = Bytes::copy_from_slice(body);
    let _ = RequestKind::decode(api.key, &mut body, version);
});

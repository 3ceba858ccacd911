//! Request frames as a connection hands them to the handlers: header, then the body of its version.
#![no_main]
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use proto::kafka::RequestBody;
use proto::kafka::decode::Decoder;
use proto::kafka::header::RequestHeader;

fuzz_target!(|data: &[u8]| {
    let frame = Bytes::copy_from_slice(data);
    let mut decoder = Decoder::new(&frame);
    if let Ok(header) = RequestHeader::read(&mut decoder) {
        let _ = RequestBody::decode(header.api_key, header.api_version, &mut decoder);
    }
});

//! Responses as our tools read them from a broker that may send anything.
#![no_main]
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use proto::kafka::decode::Decoder;
use proto::kafka::{ApiKey, ResponseBody};

fuzz_target!(|data: &[u8]| {
    let [key, version, body @ ..] = data else { return };
    if let Ok(key) = ApiKey::try_from(i16::from(*key)) {
        let frame = Bytes::copy_from_slice(body);
        let _ = ResponseBody::decode(key, i16::from(*version % 20), &mut Decoder::new(&frame));
    }
});

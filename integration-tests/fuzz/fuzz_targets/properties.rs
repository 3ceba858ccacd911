//! Configuration files of any content: an error with file and line, or properties.
#![no_main]
use libfuzzer_sys::fuzz_target;
use proto::properties::Properties;

fuzz_target!(|data: &[u8]| {
    let _ = Properties::parse("fuzz.properties", data);
});

//! Records of a transaction log: what is read writes itself back to the same bytes.
#![no_main]
use libfuzzer_sys::fuzz_target;
use zk_server::store::record::LogRecord;

fuzz_target!(|data: &[u8]| {
    if let Ok(entry) = LogRecord::read(data) {
        let mut again = Vec::new();
        entry.write(&mut again);
        let reread = LogRecord::read(&again).expect("what was written can be read");
        let mut twice = Vec::new();
        reread.write(&mut twice);
        assert_eq!(again, twice);
    }
});

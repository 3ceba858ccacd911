//! Record data as a producer sends it: batches and message sets, compressed or not. Whatever
//! parses is also walked through, record by record.
#![no_main]
use libfuzzer_sys::fuzz_target;
use proto::records::Batches;

fuzz_target!(|data: &[u8]| {
    for batch in Batches::new(data) {
        let Ok(batch) = batch else { return };
        let _ = batch.check_crc();
        let mut scratch = Vec::new();
        if let Ok(records) = batch.records(&mut scratch, 1 << 20) {
            for record in records {
                if record.is_err() {
                    return;
                }
            }
        }
    }
});

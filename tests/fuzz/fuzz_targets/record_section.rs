//! An uncompressed record section, as a function returns one.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tidemill_records::{
    BatchBuilder, BatchFacts, Compression, Records, batch_from_section, summarize_section,
};

fuzz_target!(|section: &[u8]| {
    let Ok(summary) = summarize_section(section) else {
        assert!(batch_from_section(&BatchFacts::default(), section, Compression::None).is_err());
        return;
    };
    let mut builder = BatchBuilder::new(BatchFacts::default());
    for record in Records::new(section, summary.record_count) {
        builder.push_record(&record.expect("the summary has read them all"));
    }
    assert_eq!(summarize_section(builder.section()), Ok(summary));
    for codec in Compression::ALL {
        let batch = batch_from_section(&BatchFacts::default(), section, codec).expect("a readable section");
        assert_eq!(
            batch
                .uncompressed_records(section.len())
                .expect("what was compressed"),
            section
        );
    }
});

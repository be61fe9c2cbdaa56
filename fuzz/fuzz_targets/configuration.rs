//! Configuration files. What is wrong is told in words, and what is right can be asked of.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tidegate_shared::config::Config;

fuzz_target!(|text: &str| match Config::parse("tidegate.toml", text) {
    Ok(config) => {
        let _ = config.check_gateway();
        let _ = format!("{config:?}");
    }
    Err(errors) => assert!(!errors.to_string().is_empty()),
});

//! The long run: libFuzzer on the target that `FUZZ_TARGET` names. Built by `make fuzz`, which instruments everything.
#![no_main]

use std::sync::LazyLock;

use tests_fuzz::{Target, target};

static TARGET: LazyLock<&Target> = LazyLock::new(|| {
    let name = std::env::var("FUZZ_TARGET").expect("FUZZ_TARGET names a target");
    target(&name).unwrap_or_else(|| panic!("there is no target {name}"))
});

libfuzzer_sys::fuzz_target!(|data: &[u8]| (TARGET.run)(data));

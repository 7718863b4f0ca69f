//! The job of every row (tests/bench/job.hpp), and what a run has cost.
use std::fs;

pub const BYTES: usize = 64;

pub struct Message {
    pub payload: Box<[u8]>,
    pub _seq: u64,
}

pub fn fill(payload: &mut [u8; BYTES], i: u64) {
    let x = i.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    for (k, word) in payload.chunks_exact_mut(8).enumerate() {
        word.copy_from_slice(&0x6161_6161_6161_6161u64.wrapping_add((x >> k) & 0x0f0f_0f0f_0f0f_0f0f).to_le_bytes());
    }
}

pub fn message(i: u64) -> Message {
    let mut payload = Box::new([0u8; BYTES]);
    fill(&mut payload, i);
    Message { payload, _seq: i }
}

/// Upper case, and the words added up. Not inlined, as in weir's job: nobody knows the size beforehand.
#[inline(never)]
pub fn upper(payload: &mut [u8]) -> u64 {
    payload.make_ascii_uppercase();
    payload.chunks_exact(8).fold(0u64, |sum, word| sum.wrapping_add(u64::from_le_bytes(word.try_into().unwrap())))
}

pub fn first_word(message: &Message) -> u64 {
    u64::from_le_bytes(message.payload[..8].try_into().unwrap())
}

extern "C" {
    fn clock() -> std::ffi::c_long; // C's: the microseconds that all threads were on a processor.
}

pub fn cpu_seconds() -> f64 {
    unsafe { clock() as f64 / 1e6 }
}

pub fn peak_rss_kib() -> u64 {
    let text = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("VmHWM:")).unwrap_or("");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).unwrap_or(0)
}

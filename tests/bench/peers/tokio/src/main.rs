// Three tasks of one tokio worker: generate, upper-case, sum and drop. Between them mpsc channels of Vecs of 64
// messages, each message 64 bytes on the heap, which is how tokio programs that care move many small messages.
//
//   tokio_vec MESSAGES      prints: name messages seconds cpu_ns_per_message peak_rss_kib
use std::fs;
use std::time::Instant;
use tokio::sync::mpsc;

const BATCH: usize = 64;
const BYTES: usize = 64;
const BOUND: usize = 16; // Batches: 1,024 messages.

struct Message {
    payload: Box<[u8]>,
    _seq: u64,
}

fn fill(i: u64) -> Message {
    let x = i.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut payload = Box::new([0u8; BYTES]);
    for (k, word) in payload.chunks_exact_mut(8).enumerate() {
        word.copy_from_slice(&0x6161_6161_6161_6161u64.wrapping_add((x >> k) & 0x0f0f_0f0f_0f0f_0f0f).to_le_bytes());
    }
    Message { payload, _seq: i }
}

// Upper case, and the words added up. Not inlined, as in weir's job: nobody knows the size beforehand.
#[inline(never)]
fn upper(payload: &mut [u8]) -> u64 {
    payload.make_ascii_uppercase();
    payload.chunks_exact(8).fold(0u64, |sum, word| sum.wrapping_add(u64::from_le_bytes(word.try_into().unwrap())))
}

fn cpu_seconds() -> f64 {
    // utime and stime of all threads in ticks would be too coarse; the scheduler counts nanoseconds.
    let text = fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|ns| ns.parse::<f64>().ok()).unwrap_or(0.0) / 1e9
}

fn peak_rss_kib() -> u64 {
    let text = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("VmHWM:")).unwrap_or("");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).unwrap_or(0)
}

async fn chain(messages: u64) -> (u64, u64) {
    let (to_work, mut at_work) = mpsc::channel::<Vec<Message>>(BOUND);
    let (to_end, mut at_end) = mpsc::channel::<Vec<Message>>(BOUND);
    tokio::spawn(async move {
        let mut i = 0;
        while i < messages {
            let end = messages.min(i + BATCH as u64);
            let batch = (i..end).map(fill).collect();
            i = end;
            if to_work.send(batch).await.is_err() {
                return;
            }
        }
    });
    let all = tokio::spawn(async move {
        let mut total = 0u64;
        while let Some(mut batch) = at_work.recv().await {
            for message in &mut batch {
                total = total.wrapping_add(upper(&mut message.payload));
            }
            if to_end.send(batch).await.is_err() {
                break;
            }
        }
        total
    });
    let firsts = tokio::spawn(async move {
        let mut total = 0u64;
        while let Some(batch) = at_end.recv().await {
            for message in &batch {
                total = total.wrapping_add(u64::from_le_bytes(message.payload[..8].try_into().unwrap()));
            }
        }
        total
    });
    (all.await.unwrap(), firsts.await.unwrap())
}

fn main() {
    let messages: u64 = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(2_000_000);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (began, cpu) = (Instant::now(), cpu_seconds());
    let total = runtime.block_on(chain(messages));
    let (seconds, cpu) = (began.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    eprintln!("sums {:x} {:x}", total.0, total.1);
    println!("tokio_vec {messages} {seconds:.4} {:.2} {}", cpu * 1e9 / messages as f64, peak_rss_kib());
}

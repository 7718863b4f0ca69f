// Three tokio tasks: generate, upper-case and sum, drop. The job of the engine's rows, each message 64 bytes on the heap,
// over bounded mpsc channels.
//
//   tokio_channels KIND MESSAGES      prints: name messages seconds cpu_ns_per_message peak_rss_kib
//                                     latency: also the microseconds of a hop, p50 p99 p99.9, and the share of a core
//
// KIND: one            a message at a time by send() and recv(), as most programs do
//       many           64 messages at a time by reserve_many() and recv_many()
//       vec            a Vec of 64 messages at a time, as programs do that care
//       vec_pooled     the same, and emptied Vecs go back to the first task by a third channel, their messages with them
//       latency        ten messages a millisecond, one at a time
//       vec_two, latency_two      two worker threads; all others have one thread
mod job;
mod latency;

use job::{cpu_seconds, fill, first_word, message, peak_rss_kib, upper, Message};
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;

const BATCH: usize = 64;
const BOUND: usize = 1024;
const BOUND_OF_VECS: usize = BOUND / BATCH;

async fn one(messages: u64) -> (u64, u64) {
    let (to_work, mut at_work) = mpsc::channel::<Message>(BOUND);
    let (to_end, mut at_end) = mpsc::channel::<Message>(BOUND);
    tokio::spawn(async move {
        for i in 0..messages {
            if to_work.send(message(i)).await.is_err() {
                return;
            }
        }
    });
    let all = tokio::spawn(async move {
        let mut total = 0u64;
        while let Some(mut message) = at_work.recv().await {
            total = total.wrapping_add(upper(&mut message.payload));
            if to_end.send(message).await.is_err() {
                break;
            }
        }
        total
    });
    let firsts = tokio::spawn(async move {
        let mut total = 0u64;
        while let Some(message) = at_end.recv().await {
            total = total.wrapping_add(first_word(&message));
        }
        total
    });
    (all.await.unwrap(), firsts.await.unwrap())
}

async fn many(messages: u64) -> (u64, u64) {
    let (to_work, mut at_work) = mpsc::channel::<Message>(BOUND);
    let (to_end, mut at_end) = mpsc::channel::<Message>(BOUND);
    tokio::spawn(async move {
        let mut i = 0;
        while i < messages {
            let Ok(permits) = to_work.reserve_many(BATCH.min((messages - i) as usize)).await else { return };
            for permit in permits {
                permit.send(message(i));
                i += 1;
            }
        }
    });
    let all = tokio::spawn(async move {
        let (mut total, mut batch) = (0u64, Vec::with_capacity(BATCH));
        while at_work.recv_many(&mut batch, BATCH).await > 0 {
            let Ok(permits) = to_end.reserve_many(batch.len()).await else { break };
            for (permit, mut message) in permits.zip(batch.drain(..)) {
                total = total.wrapping_add(upper(&mut message.payload));
                permit.send(message);
            }
        }
        total
    });
    let firsts = tokio::spawn(async move {
        let (mut total, mut batch) = (0u64, Vec::with_capacity(BATCH));
        while at_end.recv_many(&mut batch, BATCH).await > 0 {
            for message in batch.drain(..) {
                total = total.wrapping_add(first_word(&message));
            }
        }
        total
    });
    (all.await.unwrap(), firsts.await.unwrap())
}

async fn work_on_vecs(mut at_work: mpsc::Receiver<Vec<Message>>, to_end: mpsc::Sender<Vec<Message>>) -> u64 {
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
}

async fn vec(messages: u64) -> (u64, u64) {
    let (to_work, at_work) = mpsc::channel::<Vec<Message>>(BOUND_OF_VECS);
    let (to_end, mut at_end) = mpsc::channel::<Vec<Message>>(BOUND_OF_VECS);
    tokio::spawn(async move {
        let mut i = 0;
        while i < messages {
            let end = messages.min(i + BATCH as u64);
            let batch = (i..end).map(message).collect();
            i = end;
            if to_work.send(batch).await.is_err() {
                return;
            }
        }
    });
    let all = tokio::spawn(work_on_vecs(at_work, to_end));
    let firsts = tokio::spawn(async move {
        let mut total = 0u64;
        while let Some(batch) = at_end.recv().await {
            for message in &batch {
                total = total.wrapping_add(first_word(message));
            }
        }
        total
    });
    (all.await.unwrap(), firsts.await.unwrap())
}

async fn vec_pooled(messages: u64) -> (u64, u64) {
    let (to_work, at_work) = mpsc::channel::<Vec<Message>>(BOUND_OF_VECS);
    let (to_end, mut at_end) = mpsc::channel::<Vec<Message>>(BOUND_OF_VECS);
    let (to_pool, mut pool) = mpsc::channel::<Vec<Message>>(3 * BOUND_OF_VECS); // Room for all that can be under way.
    tokio::spawn(async move {
        let mut i = 0;
        while i < messages {
            let end = messages.min(i + BATCH as u64);
            let mut batch = pool.try_recv().unwrap_or_default();
            batch.truncate((end - i) as usize);
            for message in &mut batch {
                fill((&mut *message.payload).try_into().unwrap(), i);
                message._seq = i;
                i += 1;
            }
            batch.extend((i..end).map(message));
            i = end;
            if to_work.send(batch).await.is_err() {
                return;
            }
        }
    });
    let all = tokio::spawn(work_on_vecs(at_work, to_end));
    let firsts = tokio::spawn(async move {
        let mut total = 0u64;
        while let Some(batch) = at_end.recv().await {
            for message in &batch {
                total = total.wrapping_add(first_word(message));
            }
            let _ = to_pool.try_send(batch);
        }
        total
    });
    (all.await.unwrap(), firsts.await.unwrap())
}

fn quantile_us(sorted: &[Duration], of_thousand: usize) -> f64 {
    sorted[(sorted.len() - 1) * of_thousand / 1000].as_secs_f64() * 1e6
}

fn main() {
    let words: Vec<String> = std::env::args().collect();
    let (kind, messages) = (words[1].as_str(), words[2].parse::<u64>().unwrap());
    let runtime: Runtime = if kind.ends_with("_two") {
        Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap()
    } else {
        Builder::new_current_thread().enable_time().build().unwrap()
    };
    let (began, cpu) = (Instant::now(), cpu_seconds());
    let (sums, hops) = runtime.block_on(async {
        match kind {
            "one" => (one(messages).await, vec![]),
            "many" => (many(messages).await, vec![]),
            "vec" | "vec_two" => (vec(messages).await, vec![]),
            "vec_pooled" => (vec_pooled(messages).await, vec![]),
            "latency" | "latency_two" => latency::chain(messages).await,
            _ => panic!("no kind {kind}"),
        }
    });
    let (seconds, cpu) = (began.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    eprintln!("sums {:x} {:x}", sums.0, sums.1);
    print!("tokio_{kind} {messages} {seconds:.4} {:.2} {}", cpu * 1e9 / messages as f64, peak_rss_kib());
    if !hops.is_empty() {
        let [p50, p99, p999] = [500, 990, 999].map(|of_thousand| quantile_us(&hops, of_thousand));
        print!(" {p50:.2} {p99:.2} {p999:.2} {:.4}", cpu / seconds);
    }
    println!();
}

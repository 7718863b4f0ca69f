//! Ten messages a millisecond, one at a time over mpsc. A hop is from just before a message is sent to when the next task
//! has it.
use crate::job::{first_word, message, upper, Message};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

const BURST: u64 = 10;
const BOUND: usize = 1024;

struct Timed {
    message: Message,
    sent: Instant,
}

pub async fn chain(messages: u64) -> ((u64, u64), Vec<Duration>) {
    let (to_work, mut at_work) = mpsc::channel::<Timed>(BOUND);
    let (to_end, mut at_end) = mpsc::channel::<Timed>(BOUND);
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(Duration::from_millis(1));
        for i in 0..messages {
            if i % BURST == 0 {
                ticks.tick().await;
            }
            let timed = Timed { message: message(i), sent: Instant::now() };
            if to_work.send(timed).await.is_err() {
                return;
            }
        }
    });
    let all = tokio::spawn(async move {
        let (mut total, mut hops) = (0u64, Vec::with_capacity(2 * messages as usize));
        while let Some(mut timed) = at_work.recv().await {
            hops.push(timed.sent.elapsed());
            total = total.wrapping_add(upper(&mut timed.message.payload));
            timed.sent = Instant::now();
            if to_end.send(timed).await.is_err() {
                break;
            }
        }
        (total, hops)
    });
    let firsts = tokio::spawn(async move {
        let (mut total, mut hops) = (0u64, Vec::with_capacity(messages as usize));
        while let Some(timed) = at_end.recv().await {
            hops.push(timed.sent.elapsed());
            total = total.wrapping_add(first_word(&timed.message));
        }
        (total, hops)
    });
    let ((all, mut hops), (firsts, mut more)) = (all.await.unwrap(), firsts.await.unwrap());
    hops.append(&mut more);
    hops.sort_unstable();
    ((all, firsts), hops)
}

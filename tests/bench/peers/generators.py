"""Generators that read from one another, with no queue, no ack and no figure between them: numbers are made, passed on
and dropped, which is what `generate -> pass -> drop` does. Plain ones are what a sceptic quotes; asynchronous ones are what
waits for anything.

  generators.py plain|async MESSAGES      prints: name messages seconds cpu_ns_per_message peak_rss_kib
"""
import asyncio
import sys
import time


def generate(messages):
    for i in range(1, messages + 1):
        yield str(i)


def pass_on(source):
    for message in source:
        yield message


def drop(source):
    dropped = 0
    for _ in source:
        dropped += 1
    return dropped


async def generate_async(messages):
    for i in range(1, messages + 1):
        yield str(i)


async def pass_on_async(source):
    async for message in source:
        yield message


async def drop_async(source):
    dropped = 0
    async for _ in source:
        dropped += 1
    return dropped


def peak_rss_kib():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))


if __name__ == "__main__":
    kind, count = sys.argv[1], int(sys.argv[2])
    began, cpu = time.perf_counter(), time.process_time()
    if kind == "plain":
        dropped = drop(pass_on(generate(count)))
    else:
        dropped = asyncio.run(drop_async(pass_on_async(generate_async(count))))
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    if dropped != count:
        raise RuntimeError(f"{dropped} of {count} came")
    print(f"generators_{kind}", count, seconds, cpu * 1e9 / count, peak_rss_kib())

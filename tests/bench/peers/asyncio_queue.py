"""Three asyncio tasks, two queues between them: numbers are made, passed on and dropped, which is what
`generate -> pass -> drop` does.

  asyncio_queue.py MESSAGES      prints: name messages seconds cpu_ns_per_message peak_rss_kib
"""
import asyncio
import sys
import time


async def generate(messages, out):
    for i in range(1, messages + 1):
        await out.put(str(i))
    await out.put(None)


async def pass_on(source, out):
    while (message := await source.get()) is not None:
        await out.put(message)
    await out.put(None)


async def drop(source):
    dropped = 0
    while await source.get() is not None:
        dropped += 1
    return dropped


async def chain(messages):
    first, second = asyncio.Queue(1024), asyncio.Queue(1024)
    tasks = [generate(messages, first), pass_on(first, second), drop(second)]
    return (await asyncio.gather(*tasks))[-1]


def peak_rss_kib():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))


def main():
    messages = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
    began, cpu = time.perf_counter(), time.process_time()
    dropped = asyncio.run(chain(messages))
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    assert dropped == messages
    print(f"asyncio_queue {messages} {seconds:.4f} {cpu * 1e9 / messages:.1f} {peak_rss_kib()}")


main()

"""The job of Yaml/http_post as asyncio people write it: 64 tasks read a queue, and each posts what it gets by one aiohttp
session.

  http_post.py URL MESSAGES      prints: name messages seconds cpu_ns_per_message peak_rss_kib
"""
import asyncio
import sys
import time

import aiohttp

WORKERS = 64


async def post(session, url, queue):
    while (number := await queue.get()) is not None:
        async with session.post(url, json={"id": number, "name": "somebody"}) as response:
            if response.status != 200:
                raise RuntimeError(f"answered {response.status}")
            await response.read()


async def all_of(url, messages):
    queue = asyncio.Queue(128)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=WORKERS)) as session:
        tasks = [asyncio.create_task(post(session, url, queue)) for _ in range(WORKERS)]
        for number in range(1, messages + 1):
            await queue.put(number)
        for _ in tasks:
            await queue.put(None)
        await asyncio.gather(*tasks)


def peak_rss_kib():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))


if __name__ == "__main__":
    count = int(sys.argv[2])
    began = time.perf_counter()
    asyncio.run(all_of(sys.argv[1], count))
    print("aiohttp_post", count, time.perf_counter() - began, time.process_time() * 1e9 / count, peak_rss_kib())

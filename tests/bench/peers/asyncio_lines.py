"""A child's lines, read one after the other as asyncio's documentation does; what `exec: {pipe: …} -> drop` does.

  asyncio_lines.py LINES PROGRAM [ARGUMENT ...]     prints: name messages seconds cpu_ns_per_message peak_rss_kib
                                                    (the child's processor time counts)
"""
import asyncio
import os
import sys
import time


def peak_rss_kib():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))


async def read(command):
    child = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    messages = 0
    while line := await child.stdout.readline():
        messages += 1
    await child.wait()
    return messages


def main():
    wanted, command = int(sys.argv[1]), sys.argv[2:]
    began = time.perf_counter()
    messages = asyncio.run(read(command))
    seconds, times = time.perf_counter() - began, os.times()
    if messages != wanted:
        raise SystemExit(f"{messages} lines came, not {wanted}")
    cpu = times.user + times.system + times.children_user + times.children_system
    print(f"asyncio_lines {messages} {seconds:.4f} {cpu * 1e9 / messages:.1f} {peak_rss_kib()}")


main()

"""A file of JSON lines read line by line: those with a status below 500 get two fields and are written on. What
`file -> where -> set -> file` does.

  python_json.py INPUT OUTPUT      prints: name messages seconds cpu_ns_per_message peak_rss_kib
"""
import json
import sys
import time


def peak_rss_kib():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))


def main():
    messages = 0
    began, cpu = time.perf_counter(), time.process_time()
    with open(sys.argv[1], encoding="utf-8") as source, open(sys.argv[2], "w", encoding="utf-8") as out:
        for line in source:
            messages += 1
            event = json.loads(line)
            if event["status"] < 500:
                event["latency_s"] = event["latency_ms"] / 1000
                event["env"] = "prod"
                out.write(json.dumps(event))
                out.write("\n")
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    print(f"python_json {messages} {seconds:.4f} {cpu * 1e9 / messages:.1f} {peak_rss_kib()}")


main()

"""A file of JSON lines, line by line, through one of seven jobs, as Python's own json does them.

  json_lines.py JOB INPUT OUTPUT      JOB: json, edit, route, sum, map, shape or script
                                      prints: name messages seconds cpu_ns_per_message peak_rss_kib

json: those with a status below 500 get two fields and are written on; what `file -> where -> set -> file` does. edit:
they lose two as well. route: to four files by service, OUTPUT.SERVICE. sum: one line for each service and status with
count, sum and mean. map: a new object of each. shape: one with objects in it, by conditions. script: one by a function
that calls itself. Each is written out as one would write it alone, with nothing that another needs in its loop.
"""
import json
import sys
import time


def peak_rss_kib():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))


def enrich(source, path):
    messages = 0
    with open(path, "w", encoding="utf-8") as out:
        for line in source:
            messages += 1
            event = json.loads(line)
            if event["status"] < 500:
                event["latency_s"] = event["latency_ms"] / 1000
                event["env"] = "prod"
                out.write(json.dumps(event))
                out.write("\n")
    return messages


def edit(source, path):
    messages = 0
    with open(path, "w", encoding="utf-8") as out:
        for line in source:
            messages += 1
            event = json.loads(line)
            if event["status"] < 500:
                event["latency_s"] = event["latency_ms"] / 1000
                event["env"] = "prod"
                del event["host"], event["note"]
                out.write(json.dumps(event))
                out.write("\n")
    return messages


def route(source, path):
    messages = 0
    outs = {name: open(f"{path}.{name}", "w", encoding="utf-8") for name in ("checkout", "search", "payments", "else")}
    for line in source:
        messages += 1
        service = json.loads(line)["service"]
        outs[service if service in outs else "else"].write(line)
    for out in outs.values():
        out.close()
    return messages


def aggregate(source, path):
    messages = 0
    groups = {}
    for line in source:
        messages += 1
        event = json.loads(line)
        key = (event["service"], event["status"])
        group = groups.get(key)
        if group is None:
            group = groups[key] = [0, 0]
        group[0] += 1
        group[1] += event["latency_ms"]
    with open(path, "w", encoding="utf-8") as out:
        for (service, status), (count, total) in groups.items():
            out.write(json.dumps({"service": service, "status": status, "n": count, "sum": total,
                                  "mean": total / count}))
            out.write("\n")
    return messages


def make(source, path):
    messages = 0
    with open(path, "w", encoding="utf-8") as out:
        for line in source:
            messages += 1
            event = json.loads(line)
            slow = event["latency_ms"] > 1000
            out.write(json.dumps({"id": event["id"], "what": event["service"] + event["path"],
                                  "seconds": event["latency_ms"] / 1000, "slow": slow}))
            out.write("\n")
    return messages


def shape(source, path):
    messages = 0
    with open(path, "w", encoding="utf-8") as out:
        for line in source:
            messages += 1
            event = json.loads(line)
            level = "ok"
            if event["status"] >= 500:
                level = "error"
            elif event["latency_ms"] > 1000:
                level = "slow"
            out.write(json.dumps({"id": event["id"], "level": level, "note": event.get("note", "none"),
                                  "source": {"service": event["service"].upper(), "host": event["host"]},
                                  "timing": {"ms": event["latency_ms"], "s": event["latency_ms"] / 1000}}))
            out.write("\n")
    return messages


def digits(n):
    return 1 if n < 10 else 1 + digits(n // 10)


def script(source, path):
    messages = 0
    with open(path, "w", encoding="utf-8") as out:
        for line in source:
            messages += 1
            event = json.loads(line)
            out.write(json.dumps({"id": event["id"], "what": event["service"] + event["path"],
                                  "digits": digits(event["latency_ms"])}))
            out.write("\n")
    return messages


def main():
    job, source, path = sys.argv[1:]
    began, cpu = time.perf_counter(), time.process_time()
    with open(source, encoding="utf-8") as lines:
        messages = {"json": enrich, "edit": edit, "route": route, "sum": aggregate, "map": make,
                    "shape": shape, "script": script}[job](lines, path)
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    print(f"python_{job} {messages} {seconds:.4f} {cpu * 1e9 / messages:.1f} {peak_rss_kib()}")


main()

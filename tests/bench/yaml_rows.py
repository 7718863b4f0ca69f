"""Rows about pipelines as users write them, run by the weir binary with its admin port open and scraped: chains of
operators, Lua, a file that is decoded and written, a fan, and workers. Before it is measured each is run once over few
messages with a file at its end, and what stands there is compared with what ought to."""
import json
import os

# A step of the loop in working() is some 18 ns of plain Lua on a processor of 3 GHz with a neighbour. Calling Lua at all
# costs several times 200 ns: Yaml/lua_* say what such a message costs without workers.
STEPS = {"200ns": 11, "20us": 1100}
CHAINS = (1, 3, 8)
ROWS = {
    **{f"Yaml/generate_{k}": f"the weir binary: generate -> {k} x pass -> drop" for k in CHAINS},
    "Yaml/generate_lua": "generate -> lua -> drop: a function of each message",
    "Yaml/file_decode": "lines of CSV: file -> decode -> where -> set -> file",
    "Yaml/fan_4": "generate, read by four passes, read by one stage -> drop; a message is one generated",
    **{f"Yaml/lua_{work}": f"generate -> lua that takes some {work} -> drop, no workers" for work in STEPS},
    **{f"Yaml/workers_{work}_{threads}": f"the same with workers: 4, run: {{threads: {number}, pin: true}}"
       for work in STEPS for threads, number in (("one", 1), ("two", 2))},
}
END = "drop: {}"


def generated(count, *stages, run=""):
    lines = [run, "stages:", f"  n: {{generate: {{range: 1..{count}}}}}", *stages]
    return "\n".join(line for line in lines if line) + "\n"


def chained(count, operators, end):
    names = ["n", *(f"s{i}" for i in range(operators))]
    stages = [f"  {name}: {{from: {before}, pass: {{}}}}" for before, name in zip(names, names[1:])]
    return generated(count, *stages, f"  end: {{from: {names[-1]}, {end}}}")


def fanned(count, end):
    four = [f"  s{i}: {{from: n, pass: {{}}}}" for i in range(4)]
    return generated(count, *four, "  all: {from: [s0, s1, s2, s3], pass: {}}", f"  end: {{from: all, {end}}}")


def in_lua(count, end):
    return generated(count, "  l: {from: n, lua: 'return {n = msg, twice = 2 * msg}'}", f"  end: {{from: l, {end}}}")


def working(count, work, end, threads=0):
    """A loop whose steps wait for one another; without threads, no workers."""
    return generated(count, "  w:", "    from: n", "    workers: 4" if threads else "",
                     "    lua: |", "      local x = msg", f"      for i = 1, {STEPS[work]} do x = x ~ (x << 1) + i end",
                     "      if x == 0 then drop() end", f"  end: {{from: w, {end}}}",
                     run=f"run: {{threads: {threads or 1}, pin: true}}")


def decoded(source, to):
    return (f"stages:\n  read: {{file: {{read: '{source}'}}}}\n"
            "  values: {from: read, decode: {format: csv, columns: [id, service, status, path]}}\n"
            "  good: {from: values, where: msg.status < \"500\"}\n"
            "  more: {from: good, set: {env: prod, of: '{{ msg.service .. msg.path }}'}}\n"
            f"  out: {{from: more, file: {{write: '{to}'}}}}\n")


def records(bench, count):
    """A file of `count` lines of CSV."""
    path = os.path.join(bench.PLACE, f"records_{count}.txt")
    if not os.path.exists(path):
        bench.written(os.path.basename(path), "".join(
            f"{i},{('checkout', 'search', 'payments', 'profile')[i % 4]},{500 if i % 10 == 0 else 200 + i % 3},"
            f"/api/items/{i % 1000}/of/some/length\n" for i in range(count)))
    return path


def as_decoded(source):
    with open(source) as lines:
        for line in lines:
            id, service, status, path = line.rstrip("\n").split(",")
            if status < "500":
                yield {"id": id, "service": service, "status": status, "path": path, "env": "prod", "of": service + path}


class YamlRows:
    def __init__(self, bench, quick):
        self.bench = bench
        self.quick = quick
        self.checked = set()

    def holds(self, name, text, out, expected):
        """Runs the pipeline and compares what it has written with the values that it ought to, in any order."""
        self.bench.weir_row(self.bench.written(f"check_{name}.yaml", text), 1)
        with open(out) as lines:
            found = [json.loads(line) for line in lines]
        order = lambda value: json.dumps(value, sort_keys=True)
        if sorted(found, key=order) != sorted(expected, key=order):
            raise RuntimeError(f"Yaml/{name} has not written what it should: see {out}")

    def row(self, name, made, count, expected):
        """`made(count, end)`: the pipeline, where `end` stands at its end."""
        few = 10_000 if count > 100_000 else 1_000
        if name not in self.checked:
            out = os.path.join(self.bench.PLACE, f"check_{name}.ndjson")
            self.holds(name, made(few, f"file: {{write: '{out}'}}"), out, expected(few))
            self.checked.add(name)
        return self.bench.weir_row(self.bench.written(f"{name}.yaml", made(count, END)), count)

    def file_row(self):
        few, out = records(self.bench, 10_000), os.path.join(self.bench.PLACE, "weir_decoded.ndjson")
        if "file_decode" not in self.checked:
            self.holds("file_decode", decoded(few, out), out, list(as_decoded(few)))
            self.checked.add("file_decode")
        count = 200_000 if self.quick else 1_000_000
        path = self.bench.written("file_decode.yaml", decoded(records(self.bench, count), out))
        return self.bench.weir_row(path, count)

    def rows(self):
        many, some, few, least = (
            (3_000_000, 300_000, 300_000, 20_000) if self.quick else (20_000_000, 2_000_000, 2_000_000, 100_000))
        numbers = lambda count: list(range(1, count + 1))
        jobs = {f"generate_{k}": (lambda n, end, k=k: chained(n, k, end), many, numbers) for k in CHAINS}
        jobs["generate_lua"] = (in_lua, some, lambda n: [{"n": i, "twice": 2 * i} for i in numbers(n)])
        jobs["fan_4"] = (fanned, many // 3, lambda n: 4 * numbers(n))
        for work in STEPS:
            count = few if work == "200ns" else least
            jobs[f"lua_{work}"] = (lambda n, end, work=work: working(n, work, end), count, numbers)
            for threads, number in (("one", 1), ("two", 2)):
                jobs[f"workers_{work}_{threads}"] = (
                    lambda n, end, work=work, number=number: working(n, work, end, number), count, numbers)
        rows = {f"Yaml/{name}": (lambda name=name, job=job: self.row(name, *job)) for name, job in jobs.items()}
        return {name: rows.get(name, self.file_row) for name in ROWS}

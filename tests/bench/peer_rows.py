"""The rows of tests/bench/run about peers that move messages: tasks, goroutines, threads, generators and streams, with
channels between them or none. Each is a small program in peers/, built here where it needs to be. What is not installed
is skipped with a word. Those that do the job of the engine's rows print its sums, which must be the loop's."""
import functools
import os
import shutil
import subprocess
import sys

TOKIO = {
    "vec": "the same job, three tokio tasks, Vecs of 64 over mpsc, one thread",
    "vec_pooled": "the same, and emptied Vecs go back with their messages",
    "vec_two": "Vecs of 64, two threads",
    "many": "one thread, messages over mpsc by reserve_many and recv_many, 64 at once",
    "one": "the same, one message at a time",
    "latency": "one thread, ten messages a millisecond, one at a time: CPU a message, and a hop's time",
    "latency_two": "the same, two threads",
}
GO = {
    "slices": "the same job, three goroutines, slices of 64 over channels, one processor",
    "slices_pooled": "the same, slices and their messages from a sync.Pool",
    "slices_two": "slices of 64, two processors",
    "one": "one processor, one message at a time",
    "latency": "one processor, ten messages a millisecond, one at a time: CPU a message, and a hop's time",
    "latency_two": "the same, two processors",
}
TBB = {
    "pipeline": "oneTBB, one thread: parallel_pipeline of three filters, tokens of 64",
    "pipeline_pooled": "the same, tokens and their messages in a ring",
    "flow": "a flow graph of three nodes, tokens of 64",
}
MOODYCAMEL = {
    "one": "moodycamel's queues and a semaphore, two threads, one message at a time",
    "bulk": "the same, 64 at once",
    "bulk_pooled": "the same, buffers come back through a queue",
    "bulk_same": "64 at once, the three steps in turn on one thread",
}
ROWS = {
    **{f"Peer/tokio_{kind}": text for kind, text in TOKIO.items()},
    **{f"Peer/go_{kind}": text for kind, text in GO.items()},
    **{f"Peer/tbb_{kind}": text for kind, text in TBB.items()},
    **{f"Peer/moodycamel_{kind}": text for kind, text in MOODYCAMEL.items()},
    "Peer/asyncio_queue": "three asyncio tasks on queues",
    "Peer/generators_plain": "three plain Python generators, no queue between them",
    "Peer/generators_async": "the same, asynchronous ones",
    "Peer/node_pipeline": "Node's stream.pipeline() of three",
}


def program_of(bench, *names):
    path = os.path.join(bench.BUILD, "peers", *names)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    return path


def first_error(text):
    lines = text.strip().splitlines() or ["it says nothing"]
    return next((line for line in lines if "error" in line), lines[-1]).strip()


def build_tokio(bench, build):
    """The program of peers/tokio_channels, or None."""
    tree = program_of(bench, "tokio_channels")
    program = os.path.join(tree, "release", "tokio_channels")
    if build:
        cargo = shutil.which("cargo")
        if not cargo:
            return bench.say("no cargo: the tokio peers are skipped")
        done = subprocess.run([cargo, "build", "--release", "--locked", "--quiet"],
                              cwd=os.path.join(bench.PEERS, "tokio_channels"), stdin=subprocess.DEVNULL,
                              env=dict(os.environ, CARGO_TARGET_DIR=tree), capture_output=True, text=True)
        if done.returncode != 0:
            return bench.say(f"the tokio peers can't be built and are skipped: {first_error(done.stderr)}")
    return program if os.path.exists(program) else bench.say("the tokio peers are not built and are skipped")


def build_go(bench, name):
    """The program of peers/NAME.go, or None."""
    if not shutil.which("go"):
        return bench.say(f"no go: {name} is skipped")
    program = program_of(bench, name)
    built = subprocess.run(["go", "build", "-o", program, os.path.join(bench.PEERS, name + ".go")],
                           env=dict(os.environ, GO111MODULE="off", GOFLAGS=""))
    if built.returncode != 0:
        return bench.say(f"this go does not build {name} (1.21 does): it is skipped")
    return program


# As CMakeLists.txt compiles a release of weir.
CPP_FLAGS = ("-std=c++20 -O3 -DNDEBUG -march=x86-64-v2 -Wall -Wextra -pthread -fstack-protector-strong "
             "-fstack-clash-protection -fcf-protection -D_FORTIFY_SOURCE=2 -D_GLIBCXX_ASSERTIONS").split()


def build_cpp(bench, name, *libraries):
    """The program of peers/NAME.cpp, or None. It is compiled again when a source has changed."""
    program, source = program_of(bench, name), os.path.join(bench.PEERS, name + ".cpp")
    sources = [source, os.path.join(bench.PEERS, "peer.hpp"), os.path.join(bench.PEERS, "..", "job.hpp")]
    if not os.path.exists(program) or os.path.getmtime(program) < max(map(os.path.getmtime, sources)):
        done = subprocess.run(["g++", *CPP_FLAGS, "-I", bench.ROOT, "-o", program, source, *libraries],
                              capture_output=True, text=True)
        if done.returncode != 0:
            return bench.say(f"the {name} peers can't be built and are skipped: {first_error(done.stderr)}")
    return program


class ByTheJob:
    """Measures peers that do the job, and holds their sums to the loop's."""

    def __init__(self, bench):
        self.bench = bench

    @functools.cache
    def sums(self, messages):
        program = build_cpp(self.bench, "job_sums")
        if not program:
            raise RuntimeError("nobody says what the sums must be")
        return subprocess.run([program, str(messages)], check=True, capture_output=True, text=True).stdout.strip()

    def row(self, program, kind, messages):
        done = subprocess.run([program, kind, str(messages)], check=True, capture_output=True, text=True)
        if done.stderr.strip() != self.sums(messages):
            raise RuntimeError(f"{program} {kind}: {done.stderr.strip()}, and not {self.sums(messages)}")
        words = done.stdout.split()
        row = {"cpu_ns": float(words[3]), "rss_kib": float(words[4])}
        if len(words) > 5:
            row |= dict(zip(("hop_us_p50", "hop_us_p99", "hop_us_p99.9", "of_a_core"), map(float, words[5:])))
        return row


def rows(bench, wanted, quick, build):
    """By name, how each is measured; of what is wanted and there. `bench` is what run has."""
    job_messages, paced_messages, numbers = (1_000_000, 10_000, 50_000) if quick else (4_000_000, 20_000, 300_000)
    script = lambda name: os.path.join(bench.PEERS, name)
    job, found = ByTheJob(bench), {}

    def add(prefix, kinds, program_if_there):
        """The rows of one program that is called with a kind and a count, if any is wanted and the program is there."""
        if any(wanted(prefix + kind) for kind in kinds) and (program := program_if_there()):
            for kind in kinds:
                count = paced_messages if kind.startswith("latency") else job_messages
                found[prefix + kind] = lambda kind=kind, count=count: job.row(program, kind, count)

    add("Peer/tokio_", TOKIO, lambda: build_tokio(bench, build))
    add("Peer/go_", GO, lambda: build_go(bench, "go_channels"))
    add("Peer/tbb_", TBB, lambda: build_cpp(bench, "tbb", "-ltbb"))
    add("Peer/moodycamel_", MOODYCAMEL, lambda: build_cpp(bench, "moodycamel"))
    for kind in ("plain", "async"):
        found[f"Peer/generators_{kind}"] = lambda kind=kind: bench.peer_row(
            [sys.executable, script("generators.py"), kind, str(numbers * 4)])
    if shutil.which("node"):
        found["Peer/node_pipeline"] = lambda: bench.peer_row(["node", script("pipeline.mjs"), str(numbers * 2)])
    found["Peer/asyncio_queue"] = lambda: bench.peer_row([sys.executable, script("asyncio_queue.py"), str(numbers)])
    return {name: found[name] for name in ROWS if name in found}

"""The rows of tests/bench/run about peers that move messages: tasks, goroutines, threads, generators and streams, with
channels between them or none. Each is a small program in peers/, built here where it needs to be. What is not installed
is skipped with a word."""
import os
import shutil
import subprocess
import sys

ROWS = {
    "Peer/tokio_vec": "the same job, three tokio tasks, Vecs of 64 over mpsc, one thread",
    "Peer/go_slices": "the same job, three goroutines, slices of 64 over channels, one processor",
    "Peer/go_one": "the same, one message at a time",
    "Peer/asyncio_queue": "three asyncio tasks on queues",
    "Peer/generators_plain": "three plain Python generators, no queue between them",
    "Peer/generators_async": "the same, asynchronous ones",
    "Peer/node_pipeline": "Node's stream.pipeline() of three",
}


def program_of(bench, *names):
    path = os.path.join(bench.BUILD, "peers", *names)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    return path


def build_tokio(bench, build):
    """The program of peers/tokio, or None."""
    tree = program_of(bench, "tokio")
    program = os.path.join(tree, "release", "tokio_vec")
    if build:
        cargo = shutil.which("cargo")
        if not cargo:
            return bench.say("no cargo: the tokio peers are skipped")
        done = subprocess.run([cargo, "build", "--release", "--locked", "--quiet"], cwd=os.path.join(bench.PEERS, "tokio"),
                              env=dict(os.environ, CARGO_TARGET_DIR=tree), stdin=subprocess.DEVNULL, capture_output=True,
                              text=True)
        if done.returncode != 0:
            last = (done.stderr.strip().splitlines() or ["cargo failed"])[-1]
            return bench.say(f"the tokio peers can't be built and are skipped: {last}")
    return program if os.path.exists(program) else bench.say("the tokio peers are not built and are skipped")


def build_go(bench, name):
    """The program of peers/NAME.go, or None."""
    if not shutil.which("go"):
        return bench.say(f"no go: {name} is skipped")
    program = program_of(bench, name)
    subprocess.run(["go", "build", "-o", program, os.path.join(bench.PEERS, name + ".go")], check=True,
                   env=dict(os.environ, GO111MODULE="off", GOFLAGS=""))
    return program


def rows(bench, wanted, quick, build):
    """By name, how each is measured; of what is wanted and there. `bench` is what run has."""
    any_wanted = lambda *prefixes: any(wanted(name) for name in ROWS if name.startswith(prefixes))
    messages, numbers = ("1000000", 50_000) if quick else ("4000000", 300_000)
    script = lambda name: os.path.join(bench.PEERS, name)
    found = {}
    if any_wanted("Peer/tokio_") and (tokio := build_tokio(bench, build)):
        found["Peer/tokio_vec"] = lambda: bench.peer_row([tokio, messages])
    if any_wanted("Peer/go_") and (go := build_go(bench, "go_channels")):
        for kind in ("slices", "one"):
            found[f"Peer/go_{kind}"] = lambda kind=kind: bench.peer_row([go, kind, messages])
    for kind in ("plain", "async"):
        found[f"Peer/generators_{kind}"] = lambda kind=kind: bench.peer_row(
            [sys.executable, script("generators.py"), kind, str(numbers * 4)])
    if shutil.which("node"):
        found["Peer/node_pipeline"] = lambda: bench.peer_row(["node", script("pipeline.mjs"), str(numbers * 2)])
    found["Peer/asyncio_queue"] = lambda: bench.peer_row([sys.executable, script("asyncio_queue.py"), str(numbers)])
    return {name: found[name] for name in ROWS if name in found}

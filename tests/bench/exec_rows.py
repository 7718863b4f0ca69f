"""Rows about children: lines read from one beside asyncio, and messages through one, many under way or one at a time."""
import os
import sys

ROWS = {
    "Peer/asyncio_lines": "lines of 100 bytes from `cat`, asyncio.subprocess and readline, the child counted",
    "Yaml/exec_lines": "the weir binary: exec pipe [cat] -> drop, the child counted",
    "Yaml/exec_cat": "file -> exec pipe [cat] -> drop: each line through a child and back, many under way",
    "Yaml/exec_lockstep": "the same with one message under way",
}


def lines_of(bench, count):
    """A file of `count` lines of 100 bytes each, the newline included."""
    path = os.path.join(bench.PLACE, f"lines_{count}.txt")
    if not os.path.exists(path) or os.path.getsize(path) != 100 * count:
        with open(path, "w") as out:
            for i in range(count):
                out.write(f"{i:010} {'lorem ipsum dolor sit amet ' * 4}"[:99] + "\n")
    return path


def through(bench, source, name, keys):
    return bench.written(f"{name}.yaml", f"stages:\n  read: {{file: {{read: '{source}'}}}}\n"
                                         f"  child: {{from: read, exec: {{pipe: [cat]{keys}}}}}\n"
                                         "  end: {from: child, drop: {}}\n")


def rows(bench, wanted, quick):
    if not any(wanted(name) for name in ROWS):
        return {}
    count, few = (300_000, 20_000) if quick else (1_000_000, 50_000)
    source = lines_of(bench, count)
    printed = bench.written("exec_lines.yaml", f"stages:\n  child: {{exec: {{pipe: [cat, '{source}']}}}}\n"
                                               "  end: {from: child, drop: {}}\n")
    many = through(bench, source, "exec_cat", "")
    one = through(bench, lines_of(bench, few), "exec_lockstep", ", unanswered: 1")
    peer = [sys.executable, os.path.join(bench.PEERS, "asyncio_lines.py"), str(count), "cat", source]
    return {
        "Peer/asyncio_lines": lambda: bench.peer_row(peer),
        "Yaml/exec_lines": lambda: bench.weir_row(printed, count),
        "Yaml/exec_cat": lambda: bench.weir_row(many, count),
        "Yaml/exec_lockstep": lambda: bench.weir_row(one, few),
    }

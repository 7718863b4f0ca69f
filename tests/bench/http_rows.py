"""The rows of tests/bench/run that speak HTTP: weir as a client, as a gateway, as a server, and under a limit. nginx
(Debian's; tests/support/fetch_nginx brings it) is who they ask, wrk who asks them, and neither's time is counted but
where nginx is the peer. What is not there is skipped with a word."""
import collections
import contextlib
import functools
import os
import re
import shutil
import socket
import subprocess
import sys
import time

import peer_rows

HERE = os.path.dirname(os.path.abspath(__file__))
ROWS = {
    "Peer/go_post": "64 goroutines, each posts what it reads from a channel by one net/http client",
    "Peer/aiohttp_post": "64 asyncio tasks, each posts what it reads from a queue by one aiohttp session",
    "Yaml/http_post": "the weir binary: generate -> http post, 64 workers -> drop",
    "Peer/aiohttp_gateway": "an aiohttp server that asks another one, with a semaphore",
    "Yaml/gateway": "the weir binary: http_server -> limit, breaker, http -> reply",
    "Peer/nginx_reply": "nginx `return 200`, one worker, asked by wrk over 64 connections",
    "Peer/aiohttp_reply": "the same answer by an aiohttp server",
    "Yaml/http_reply": "the weir binary: http_server -> reply, the same answer",
}
LIMIT = "Limit"
LIMIT_TEXT = "limit: 2000/s on 64 workers: the mean, the most in any 100 ms, and what it costs"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until_it_listens(port, process):
    for _ in range(500):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        if process.poll() is not None:
            break
        time.sleep(0.02)
    raise RuntimeError(f"{process.args[0]} does not listen")


class Nginx:
    """Answers everything with 200 and a short text. Notes when each request ended, if it shall."""

    def __init__(self, place, notes=False):
        self.port = free_port()
        self.folder = os.path.join(place, "nginx")
        os.makedirs(self.folder, exist_ok=True)
        self.log = os.path.join(self.folder, "moments.log")
        with contextlib.suppress(FileNotFoundError):
            os.remove(self.log)
        log = f"log_format moment '$msec'; access_log {self.log} moment;" if notes else "access_log off;"
        path = os.path.join(self.folder, "nginx.conf")
        with open(path, "w") as out:
            out.write(f"""
daemon off; worker_processes 1; pid {self.folder}/pid; error_log stderr error;
events {{ worker_connections 1024; }}
http {{
  client_body_temp_path {self.folder}/body; proxy_temp_path {self.folder}/proxy; fastcgi_temp_path {self.folder}/fastcgi;
  uwsgi_temp_path {self.folder}/uwsgi; scgi_temp_path {self.folder}/scgi;
  keepalive_requests 1000000000; {log}
  server {{
    listen 127.0.0.1:{self.port};
    location / {{ default_type text/plain; return 200 "hello"; }}
  }}
}}
""")
        self.process = subprocess.Popen([nginx(), "-e", "stderr", "-p", self.folder, "-c", path], stdin=subprocess.DEVNULL)

    def __enter__(self):
        try:
            wait_until_it_listens(self.port, self.process)
        except BaseException:
            self.process.kill()
            raise
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def moments(self):
        with open(self.log) as log:
            return [float(line) for line in log]


@functools.cache
def nginx():
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    folder = os.path.join(root, "build", "nginx")
    subprocess.run([os.path.join(root, "tests", "support", "fetch_nginx"), folder], stdout=sys.stderr, check=True)
    return next(filter(None, map(shutil.which, ("nginx", "/usr/sbin/nginx", folder + "/usr/sbin/nginx"))), None)


def with_children(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as children:
        return [pid] + [one for child in children.read().split() for one in with_children(int(child))]


def schedule_ns(pids):
    """Time on a processor of all their threads; the ticks of /proc/PID/stat are too coarse for a second or two."""
    total = 0
    for pid in pids:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/schedstat") as schedule:
                total += int(schedule.read().split()[0])
    return total


@contextlib.contextmanager
def processors_awake():
    """No processor sleeps: each has something to do that any other program goes before. It ends with this one."""
    idle = ("import os, sys, time\nos.sched_setaffinity(0, {int(sys.argv[1])})\n"
            "os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))\nparent = os.getppid()\n"
            "while os.getppid() == parent:\n  until = time.monotonic() + 0.1\n  while time.monotonic() < until: pass")
    awake = [subprocess.Popen([sys.executable, "-c", idle, str(core)]) for core in os.sched_getaffinity(0)]
    try:
        yield
    finally:
        for one in awake:
            one.kill()
            one.wait()


def python_with_aiohttp():
    for python in (sys.executable, "/usr/bin/python3"):
        if subprocess.run([python, "-c", "import aiohttp"], capture_output=True).returncode == 0:
            return python
    return None


class HttpRows:
    """`bench` is what run has: Weir, written(), cpu_seconds(), status_kib(), peer_row(), say(), PLACE and PEERS."""

    def __init__(self, bench, quick):
        self.bench, self.quick = bench, quick
        self.python = python_with_aiohttp()

    def rows(self, wanted):
        """By name, how each is measured; of what is there."""
        named = [name for name in ROWS if wanted(name)]
        if not named:
            return {}
        if not nginx():
            self.bench.say("no nginx: the rows that ask a server are skipped")
            return {}
        posts = 10_000 if self.quick else 50_000
        found = {"Yaml/http_post": lambda: self.weir_post(posts)}
        if wanted("Peer/go_post") and (go := peer_rows.build_go(self.bench, "http_post")):
            found["Peer/go_post"] = lambda: self.asking(lambda url: self.bench.peer_row([go, url, str(posts)]))
        if self.python:
            script = os.path.join(self.bench.PEERS, "http_post.py")
            found["Peer/aiohttp_post"] = lambda: self.asking(
                lambda url: self.bench.peer_row([self.python, script, url, str(posts)]))
        else:
            self.bench.say("no aiohttp (python3-aiohttp): its peers are skipped")
        if shutil.which("wrk"):
            found["Yaml/gateway"] = self.weir_gateway
            found["Yaml/http_reply"] = self.weir_reply
            found["Peer/nginx_reply"] = self.nginx_reply
            if self.python:
                found["Peer/aiohttp_gateway"] = self.aiohttp_gateway
                found["Peer/aiohttp_reply"] = self.aiohttp_reply
        else:
            self.bench.say("no wrk: the gateways and servers are skipped")
        return {name: found[name] for name in named if name in found}

    def asking(self, measure):
        with Nginx(self.bench.PLACE) as server:
            return measure(server.url())

    # ------------------------------------------------------------------------------------------------------- client

    def post_pipeline(self, url, posts, limit=""):
        return self.bench.written("http_post.yaml", f"""stages:
  numbers: {{generate: {{range: 1..{posts}, msg: {{id: '{{{{ i }}}}', name: somebody}}}}}}
  post:
    from: numbers
    http: {{post: {url}}}
    workers: 64
    {limit}
  end: {{from: post, drop: {{}}}}
""")

    def run_weir(self, pipeline, count):
        weir = self.bench.Weir(pipeline)
        try:
            cpu = weir.wait()
        finally:
            weir.end()
        return {"cpu_ns": cpu * 1e9 / count, "rss_kib": weir.peak_kib}

    def weir_post(self, posts):
        return self.asking(lambda url: self.run_weir(self.post_pipeline(url, posts), posts))

    # ------------------------------------------------------------------------------------------------------ gateway

    def driven(self, process, port):
        """CPU of the process for each request that wrk got answered."""
        wait_until_it_listens(port, process)
        ask = lambda seconds: subprocess.run(
            ["wrk", "-t1", "-c64", f"-d{seconds}s", f"http://127.0.0.1:{port}/users/7"], check=True, capture_output=True,
            text=True).stdout
        ask(1)
        before = self.bench.cpu_seconds(process.pid)
        said = ask(2 if self.quick else 5)
        cpu = self.bench.cpu_seconds(process.pid) - before
        if bad := re.search(r"Non-2xx or 3xx responses: (\d+)|Socket errors:.*", said):
            raise RuntimeError(f"wrk got something else: {bad.group(0)}")
        requests = int(re.search(r"(\d+) requests in", said).group(1))
        return {"cpu_ns": cpu * 1e9 / requests, "rss_kib": self.bench.status_kib(process.pid, "VmHWM")}

    def weir_gateway(self):
        port = free_port()

        def measure(url):
            weir = self.bench.Weir(self.bench.written("gateway.yaml", f"""stages:
  asked: {{http_server: {{listen: '127.0.0.1:{port}', path: '/*'}}}}
  ask:
    from: asked
    http: {{forward: {url}}}
    workers: 64
    limit: {{rate: 1000000/s}}
    breaker: {{failures: 5, recover_after: 1s}}
  answer: {{from: ask, reply: {{status: 200}}}}
"""))
            try:
                return self.driven(weir.process, port)
            finally:
                weir.end()
        return self.asking(measure)

    def aiohttp_gateway(self):
        return self.asking(lambda url: self.aiohttp_server([url], self.driven))

    def aiohttp_server(self, words, measure):
        process = subprocess.Popen([self.python, os.path.join(self.bench.PEERS, "gateway.py"), *words],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        try:
            return measure(process, int(process.stdout.readline()))
        finally:
            process.kill()
            process.wait()
            process.stdout.close()

    # ------------------------------------------------------------------------------------------------------- server

    def replying(self, process, port):
        """CPU of a server for each request that it answers by itself: it on the first core, wrk on the last."""
        wait_until_it_listens(port, process)
        cores = sorted(os.sched_getaffinity(0))

        def ask(seconds):
            said = subprocess.run(["taskset", "-c", str(cores[-1]), "wrk", "-t1", "-c64", f"-d{seconds}s",
                                   f"http://127.0.0.1:{port}/hello"], check=True, capture_output=True, text=True).stdout
            # A time-out is a busy machine's: those that were answered are counted.
            if bad := re.search(r"Non-2xx or 3xx responses: (\d+)|Socket errors: (?!connect 0, read 0, write 0).*", said):
                raise RuntimeError(f"wrk got something else: {bad.group(0)}")
            return int(re.search(r"(\d+) requests in", said).group(1))

        ask(1)
        pids = with_children(process.pid)  # nginx has its worker now.
        for pid in pids:
            for thread in os.listdir(f"/proc/{pid}/task"):
                os.sched_setaffinity(int(thread), {cores[0]})
        before = schedule_ns(pids)
        requests = ask(2 if self.quick else 5)
        return {"cpu_ns": (schedule_ns(pids) - before) / requests,
                "rss_kib": max(self.bench.status_kib(pid, "VmHWM") for pid in pids)}

    def nginx_reply(self):
        with Nginx(self.bench.PLACE) as server:
            return self.replying(server.process, server.port)

    def aiohttp_reply(self):
        return self.aiohttp_server([], self.replying)

    def weir_reply(self):
        port = free_port()
        weir = self.bench.Weir(self.bench.written("reply.yaml", f"""stages:
  asked: {{http_server: {{listen: '127.0.0.1:{port}', path: /hello}}}}
  answer: {{from: asked, reply: {{text: hello}}}}
"""))
        try:
            return self.replying(weir.process, port)
        finally:
            weir.end()

    # -------------------------------------------------------------------------------------------------------- limit

    def limit(self):
        """`limit: {rate: 2000/s, burst: 64}`: its mean, the most in any 100 ms beside its share and the burst, and CPU a
        call beside the same without a limit. That twice: a processor that nothing else keeps busy sleeps between two
        groups of calls, and what it costs to wake one is the machine's, so Go is measured beside it."""
        if not nginx():
            return None
        seconds, rate, burst = 10, 2000, 64
        calls = rate * seconds
        limited, unlimited = f"limit: {{rate: {rate}/s, burst: {burst}}}", ""

        def cost(limit, notes=False):
            with Nginx(self.bench.PLACE, notes=notes) as server:
                row = self.run_weir(self.post_pipeline(server.url(), calls, limit), calls)
                time.sleep(0.2)
                return row["cpu_ns"], sorted(server.moments()) if notes else None

        limited_ns, moments = cost(limited, notes=True)
        if len(moments) != calls:
            raise RuntimeError(f"{len(moments)} calls came of {calls}")
        spread, most, window = moments[-1] - moments[0], 0, collections.deque()
        for moment in moments:
            window.append(moment)
            while moment - window[0] >= 0.1:
                window.popleft()
            most = max(most, len(window))
        found = {"mean": (calls - burst) / spread / rate, "most": most / (rate * 0.1 + burst),
                 "asleep": limited_ns / cost(unlimited)[0]}
        with processors_awake():
            pairs = [(cost(limited)[0], cost(unlimited)[0]) for _ in range(2)]
        found["awake"] = min(one for one, _ in pairs) / min(other for _, other in pairs)
        if go := peer_rows.build_go(self.bench, "http_post"):
            post = lambda *limit: self.asking(
                lambda url: self.bench.peer_row([go, url, str(calls), *map(str, limit)]))["cpu_ns"]
            found["go_asleep"] = post(rate, burst) / post()
        return found

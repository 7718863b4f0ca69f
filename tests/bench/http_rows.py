"""The rows of tests/bench/run that speak HTTP: weir as a client, as a gateway, and under a limit. nginx (Debian's
nginx-light) is who they ask, wrk who asks them, and neither's time is counted. What is not installed is skipped with a
word."""
import collections
import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROWS = {
    "Peer/go_post": "64 goroutines, each posts what it reads from a channel by one net/http client",
    "Peer/aiohttp_post": "64 asyncio tasks, each posts what it reads from a queue by one aiohttp session",
    "Yaml/http_post": "the weir binary: generate -> http post, 64 workers -> drop",
    "Peer/aiohttp_gateway": "an aiohttp server that asks another one, with a semaphore",
    "Yaml/gateway": "the weir binary: http_server -> limit, breaker, http -> reply",
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
        self.process = subprocess.Popen([nginx(), "-p", self.folder, "-c", path], stdin=subprocess.DEVNULL)

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


def nginx():
    return shutil.which("nginx") or shutil.which("/usr/sbin/nginx")


def python_with_aiohttp():
    for python in (sys.executable, "/usr/bin/python3"):
        if subprocess.run([python, "-c", "import aiohttp"], capture_output=True).returncode == 0:
            return python
    return None


class HttpRows:
    """`bench` is what run has: Weir, written(), cpu_seconds(), status_kib(), peer_row(), build_go(), say(), PLACE and PEERS."""

    def __init__(self, bench, quick):
        self.bench, self.quick = bench, quick
        self.python = python_with_aiohttp()

    def rows(self, wanted):
        """By name, how each is measured; of what is there."""
        named = [name for name in ROWS if wanted(name)]
        if not named:
            return {}
        if not nginx():
            self.bench.say("no nginx (nginx-light): the rows that ask a server are skipped")
            return {}
        posts = 10_000 if self.quick else 50_000
        found = {"Yaml/http_post": lambda: self.weir_post(posts)}
        if wanted("Peer/go_post") and (go := self.bench.build_go("http_post")):
            found["Peer/go_post"] = lambda: self.asking(lambda url: self.bench.peer_row([go, url, str(posts)]))
        if self.python:
            script = os.path.join(self.bench.PEERS, "http_post.py")
            found["Peer/aiohttp_post"] = lambda: self.asking(
                lambda url: self.bench.peer_row([self.python, script, url, str(posts)]))
        else:
            self.bench.say("no aiohttp (python3-aiohttp): its peers are skipped")
        if shutil.which("wrk"):
            found["Yaml/gateway"] = self.weir_gateway
            if self.python:
                found["Peer/aiohttp_gateway"] = self.aiohttp_gateway
        else:
            self.bench.say("no wrk: the gateways are skipped")
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
        def measure(url):
            process = subprocess.Popen([self.python, os.path.join(self.bench.PEERS, "gateway.py"), url],
                                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
            try:
                return self.driven(process, int(process.stdout.readline()))
            finally:
                process.kill()
                process.wait()
                process.stdout.close()
        return self.asking(measure)

    # -------------------------------------------------------------------------------------------------------- limit

    def limit(self):
        """`limit: {rate: 2000/s, burst: 64}`: its mean, the most in any 100 ms beside its share and the burst, and CPU a
        call beside the same without a limit."""
        if not nginx():
            return None
        seconds, rate, burst, costs = 10, 2000, 64, []
        calls = rate * seconds
        for limit in (f"limit: {{rate: {rate}/s, burst: {burst}}}", ""):
            with Nginx(self.bench.PLACE, notes=True) as server:
                row = self.run_weir(self.post_pipeline(server.url(), calls, limit), calls)
                time.sleep(0.2)
                moments = sorted(server.moments())
            costs.append(row["cpu_ns"])
            if limit:
                if len(moments) != calls:
                    raise RuntimeError(f"{len(moments)} calls came of {calls}")
                spread, most, window = moments[-1] - moments[0], 0, collections.deque()
                for moment in moments:
                    window.append(moment)
                    while moment - window[0] >= 0.1:
                        window.popleft()
                    most = max(most, len(window))
        return {"mean": (calls - burst) / spread / rate, "most": most / (rate * 0.1 + burst), "cost": costs[0] / costs[1]}

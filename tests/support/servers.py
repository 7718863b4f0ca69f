"""Servers that are not ours, for the runs of pipelines: `aiohttp`, an API as aiohttp's users write one;
`faulty STATUS...`, of http.server, which answers one request after the other with these, then with the last one; and
`goaway CERTIFICATE KEY N`, of HTTP/2 (RFC 9113), which answers N requests of each connection and does without the rest;
`swallow`, which answers the first request of each connection, and ends it at the second;
`cut CERTIFICATE KEY`, whose replies end where the connection does: that of /whole with a goodbye of TLS, others without.
Each prints the port that the kernel gave it, then a line for each request."""

import asyncio
import http.server
import json
import socket
import ssl
import sys
import threading


def say(*words):
    print(" ".join(map(str, words)) + "\n", end="", flush=True)  # In one go: threads say something, too.


async def serve_with_aiohttp():
    from aiohttp import web

    begun = set()

    async def orders(request):
        order = await request.json()
        tenant = request.headers.get("x-tenant")
        if order.get("item") == "none":
            return web.json_response({"error": "no such item"}, status=422)
        if tenant == "busy" and tenant not in begun:
            begun.add(tenant)
            return web.Response(status=429, headers={"Retry-After": "1"})
        return web.json_response({"id": f"{tenant}-{order['n']}"})

    async def reports(request):
        await request.read()
        return web.Response(status=204)

    @web.middleware
    async def note(request, handler):
        response = await handler(request)
        say(request.method, request.path, response.status, json.dumps(await request.text()))
        return response

    app = web.Application(middlewares=[note])
    app.router.add_post("/orders", orders)
    app.router.add_post("/reports", reports)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    say("port", site._server.sockets[0].getsockname()[1])
    await asyncio.Event().wait()


class Faulty(http.server.BaseHTTPRequestHandler):
    statuses = []

    def do_GET(self):
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()
        say("GET", self.path, status)

    def log_message(self, *_):
        pass


def frame(kind, flags, stream, payload=b""):
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


class Goaway:
    """GOAWAY names the last stream that was answered: no later one was looked at, or ever will be."""

    PREFACE, DATA, HEADERS, SETTINGS, GOAWAY = 24, 0, 1, 4, 7
    STATUS_200 = b"\x88"  # As HPACK's static table has it.

    def __init__(self, certificate, key, most):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        context.set_alpn_protocols(["h2"])
        self.context, self.most = context, int(most)

    def serve(self):
        with socket.create_server(("127.0.0.1", 0), backlog=100) as listener:
            say("port", listener.getsockname()[1])
            while True:
                threading.Thread(target=self.hold, args=(listener.accept()[0],), daemon=True).start()

    def hold(self, plain):
        try:
            with self.context.wrap_socket(plain, server_side=True) as connection:
                self.answer(connection, connection.makefile("rb"))
        except OSError:
            pass

    def answer(self, connection, received):
        received.read(self.PREFACE)
        connection.sendall(frame(self.SETTINGS, 0, 0))
        answered = last = 0
        while len(head := received.read(9)) == 9:
            kind, stream = head[3], int.from_bytes(head[5:], "big")
            received.read(int.from_bytes(head[:3], "big"))
            if kind == self.SETTINGS and not head[4]:
                connection.sendall(frame(self.SETTINGS, 1, 0))
            elif kind == self.HEADERS and answered < self.most:
                answered, last = answered + 1, stream
                connection.sendall(
                    frame(self.HEADERS, 4, stream, self.STATUS_200) + frame(self.DATA, 1, stream, b"here"))
                say("answered")
            elif kind == self.HEADERS:
                say("refused")
            if kind == self.HEADERS and answered == self.most:
                connection.sendall(frame(self.GOAWAY, 0, 0, last.to_bytes(4, "big") + bytes(4)))


def swallow():
    with socket.create_server(("127.0.0.1", 0), backlog=100) as listener:
        say("port", listener.getsockname()[1])

        def hold(connection):
            with connection, connection.makefile("rb") as received:
                for said in (b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nhere", b""):
                    while received.readline().strip():
                        pass
                    connection.sendall(said)

        while True:
            threading.Thread(target=hold, args=(listener.accept()[0],), daemon=True).start()


class Cut:
    """What it answers has a length at /length, is in chunks at /chunks, and else has neither."""

    def __init__(self, certificate, key):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self.context = context

    def serve(self):
        with socket.create_server(("127.0.0.1", 0), backlog=100) as listener:
            say("port", listener.getsockname()[1])
            while True:
                self.answer(listener.accept()[0])

    def answer(self, plain):
        try:
            connection = self.context.wrap_socket(plain, server_side=True)
            path = connection.recv(65536).split(b" ")[1]
            framed = {b"/length": (b"content-length: 4\r\n", b"some"),
                      b"/chunks": (b"transfer-encoding: chunked\r\n", b"4\r\nsome\r\n0\r\n\r\n"),
                      b"/none": (b"", b"")}
            fields, body = framed.get(path, (b"", b"some"))
            connection.sendall(b"HTTP/1.1 200 OK\r\nconnection: close\r\n" + fields + b"\r\n" + body)
            (connection.unwrap() if path == b"/whole" else connection).close()
        except OSError:
            pass


if sys.argv[1] == "goaway":
    Goaway(*sys.argv[2:]).serve()
elif sys.argv[1] == "swallow":
    swallow()
elif sys.argv[1] == "cut":
    Cut(*sys.argv[2:]).serve()
elif sys.argv[1] == "aiohttp":
    asyncio.run(serve_with_aiohttp())
else:
    Faulty.statuses = [int(status) for status in sys.argv[2:]]
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Faulty)
    say("port", server.server_port)
    server.serve_forever()

"""Servers that are not ours, for the runs of pipelines: `aiohttp`, an API as aiohttp's users write one, and
`faulty STATUS...`, of http.server, which answers one request after the other with these, then with the last one.
Each prints the port that the kernel gave it, then a line for each request."""

import asyncio
import http.server
import json
import sys


def say(*words):
    print(*words, flush=True)


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


if sys.argv[1] == "aiohttp":
    asyncio.run(serve_with_aiohttp())
else:
    Faulty.statuses = [int(status) for status in sys.argv[2:]]
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Faulty)
    say("port", server.server_port)
    server.serve_forever()

"""The job of Yaml/gateway as aiohttp people write it: a server whose handler asks another server, with a semaphore around
the asking. Without another server it is the job of Yaml/http_reply: it answers by itself.

  gateway.py [BACKEND_URL]      prints the port it listens on, then serves until it is ended
"""
import asyncio
import sys

import aiohttp
from aiohttp import web


async def listen(handler):
    application = web.Application()
    application.router.add_get("/{path:.*}", handler)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(site._server.sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()


async def hello(request):
    return web.Response(text="hello")


async def forward_to(backend):
    at_once = asyncio.Semaphore(64)

    async def forward(request):
        async with at_once:
            async with session.get(backend + request.path) as response:
                body = await response.read()
                return web.Response(status=response.status, body=body, content_type="text/plain")

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=64)) as session:
        await listen(forward)


asyncio.run(forward_to(sys.argv[1]) if len(sys.argv) > 1 else listen(hello))

"""The other side of tests/fault/http_outside_test.cpp, by aiohttp.

  http_peers.py serve       a server behind the gateway: prints its port, and serves until it is ended
  http_peers.py ask URL     a client of pipelines/service.yaml: prints `good`, or what was wrong
"""
import asyncio
import sys

from aiohttp import ClientSession, web


async def echo(request):
    return web.json_response({"method": request.method, "path": request.path_qs, "body": await request.text(),
                              "for": request.headers.get("X-Forwarded-For"), "hop": request.headers.get("X-Hop")},
                             headers={"X-Upstream": "aiohttp"})


async def slow(request):
    await asyncio.sleep(5)
    return web.Response()


async def serve():
    app = web.Application()
    app.router.add_route("*", "/orders/{rest:.*}", echo)
    app.router.add_route("*", "/search/{rest:.*}", slow)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(site._server.sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()


async def pieces():
    for word in ("three ", "little ", "words"):
        yield word.encode()
        await asyncio.sleep(0)


async def ask(url):
    async with ClientSession() as session:
        async def words(text, expected, **more):
            async with session.post(url + "/words", data=text, **more) as answer:
                assert answer.status == 200, (answer.status, await answer.text())
                told = await answer.json()
                assert told == {"words": expected, "from": "127.0.0.1"}, told

        await asyncio.gather(*(words("a " * count, count) for count in range(1, 16)))
        await words(pieces(), 3)
        await words(b"packed " * 500, 500, compress="gzip")
        await words("one", 1, expect100=True)
        async with session.get(url + "/hello/Ann%20Lee") as answer:
            assert await answer.text() == "hello, Ann Lee\n"
        async with session.head(url + "/hello/Ann") as answer:
            assert (answer.status, answer.headers["Content-Length"]) == (200, "11")
        async with session.post(url + "/notes", json={"n": 1}) as answer:
            assert answer.status == 204
        async with session.post(url + "/notes", data="n: 1") as answer:
            assert answer.status == 400
        async with session.put(url + "/words", data="x") as answer:
            assert (answer.status, answer.headers["Allow"]) == (405, "POST")
        async with session.get(url + "/nothing") as answer:
            assert answer.status == 404
        async with session.post(url + "/words", data=b"x" * 70_000) as answer:
            assert answer.status == 413


try:
    asyncio.run(serve() if sys.argv[1] == "serve" else ask(sys.argv[2]))
    print("good")
except AssertionError as wrong:
    print("wrong:", wrong)
    raise

"""Reads what tests/io/http_request_test.cpp has made up, with h11 in the place of a server, and prints what it saw.

A line of input is a connection: pieces in hexadecimal between blanks, as they come. A line of output is what became of
it: for each whole request `METHOD TARGET HEADERS BODY;`, all in hexadecimal, then `more`, `closed` or `refused WHY`.
"""
import sys

import h11


class Reader:
    """A server that answers each request as soon as it is whole. A connection of h11 reads one request: before it one
    empty line is read over, as RFC 9112 (2.2) advises and h11 does not."""

    def __init__(self):
        self.whole, self.pending = [], b""
        self.begin()

    def begin(self):
        self.connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
        self.begun, self.skipped, self.request, self.body = False, False, None, b""

    def feed(self, piece):
        """False: there will be no more."""
        self.pending += piece
        while self.pending:
            if not self.begun and not self.skipped and b"\r\n".startswith(self.pending[:2]):
                if len(self.pending) < 2:
                    return True
                self.pending, self.skipped = self.pending[2:], True
                continue
            self.begun = True
            self.connection.receive_data(self.pending)
            self.pending = b""
            if not self.read():
                return False
        return True

    def read(self):
        while True:
            event = self.connection.next_event()
            if event is h11.NEED_DATA:
                return True
            if isinstance(event, h11.Request):
                self.request = event
            elif isinstance(event, h11.Data):
                self.body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                headers = b"\n".join(bytes(name) + b":" + bytes(value) for name, value in self.request.headers)
                parts = (self.request.method, self.request.target, headers, self.body)
                self.whole.append(" ".join(bytes(part).hex() or "-" for part in parts))
                status = 404 if self.request.method == b"CONNECT" else 200
                self.connection.send(h11.Response(status_code=status, headers=[("content-length", "0")]))
                self.connection.send(h11.EndOfMessage())
                if self.connection.our_state is not h11.DONE:
                    return False
                self.pending, _ = self.connection.trailing_data
                self.begin()
                return True


def seen(pieces):
    reader = Reader()
    try:
        for piece in pieces:
            if not reader.feed(piece):
                return reader.whole, "closed"
    except h11.RemoteProtocolError as error:
        return reader.whole, f"refused {error}"
    return reader.whole, "more"


for line in sys.stdin:
    requests, end = seen([bytes.fromhex(piece) for piece in line.split()])
    print("".join(request + ";" for request in requests) + end.replace("\n", " ").replace(";", ","))

"""An HTTP API over a sqlite file: `/health` says whether the database answers, `/items` lists what is in it."""

import json
import sqlite3
import sys
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

database, port = sys.argv[1], int(sys.argv[2])


def items() -> list[dict[str, object]]:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        rows = connection.execute("select name, stock from items order by name")
        return [{"name": name, "stock": stock} for name, stock in rows]


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/health":
            self.answer(200, {"status": "ok", "items": len(items())})
        elif self.path == "/items":
            self.answer(200, items())
        else:
            self.answer(404, {"error": f"no such page: {self.path}"})

    def answer(self, status: int, body: object) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


print(f"listening on port {port}")
ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()

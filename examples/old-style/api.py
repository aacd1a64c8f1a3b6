"""HTTP in front of the store: `PUT /name` with a body, `GET /name`, `GET /health`."""

import http.server
import socket
import sys

PORT, STORE = int(sys.argv[1]), int(sys.argv[2])


def ask(line):
    with socket.create_connection(("127.0.0.1", STORE), timeout=5) as store:
        store.sendall(f"{line}\n".encode())
        return store.makefile().readline().strip()


class Api(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer("fine" if self.path == "/health" else ask(f"GET {self.path[1:]}"))

    def do_PUT(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.answer(ask(f"SET {self.path[1:]} {body}"))

    def answer(self, text):
        body = text.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Probes come every second: say nothing."""


http.server.ThreadingHTTPServer(("127.0.0.1", PORT), Api).serve_forever()

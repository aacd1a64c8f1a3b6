"""A store of words over TCP: a line `SET name value` or `GET name`, a line in answer."""

import os
import socketserver
import sys

LIMIT = int(os.environ["STORE_LIMIT"])
words = {}


class Talk(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            verb, _, rest = line.decode().strip().partition(" ")
            name, _, value = rest.partition(" ")
            if verb == "SET" and len(words) < LIMIT:
                words[name] = value
            answer = words.get(name, "") if verb in ("SET", "GET") else "what?"
            self.wfile.write(f"{answer}\n".encode())


class Store(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


with Store(("127.0.0.1", int(sys.argv[1])), Talk) as store:
    print(f"{os.environ['STORE_NAME']}: at most {LIMIT} words")
    store.serve_forever()

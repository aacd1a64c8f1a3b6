"""A service that counts: it writes a numbered line every 100 ms, so that a gap in its log can be seen.

    counter.py [--listen PORT] [--code-on-usr1 CODE]

`--listen` accepts connections besides, for a tcp check; `--code-on-usr1` ends with that code when USR1 comes.
Runs with `python3 -S`: no site-packages, little memory.
"""

import os
import signal
import socket
import sys
import time
from contextlib import suppress

options = dict(zip(sys.argv[1::2], sys.argv[2::2], strict=True))

if "--code-on-usr1" in options:
    code = int(options["--code-on-usr1"])
    signal.signal(signal.SIGUSR1, lambda *_: os._exit(code))

listener = None
if "--listen" in options:
    listener = socket.create_server(("127.0.0.1", int(options["--listen"])))
    listener.settimeout(0.1)

print("ready", flush=True)
for number in range(sys.maxsize):
    # One write a line: a line is never torn, wherever a reader or the machine stops.
    os.write(1, b"%d\n" % number)
    if listener is None:
        time.sleep(0.1)
        continue
    with suppress(TimeoutError):
        listener.accept()[0].close()

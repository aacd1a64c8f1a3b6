"""The floor: what a supervisor in Python can't be faster than. It spawns, moves output, reaps, and answers by pid.

    python -I -S floor.py SPEC SOCKET

SPEC has a line per service: name, log file and words of the command, between tabs. TERM stops all and ends it.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
from dataclasses import dataclass, field


@dataclass(slots=True)
class Service:
    """One service and where its output goes."""

    name: str
    log: str
    argv: list[str]
    pid: int = 0
    reading: int = field(init=False)
    writing: int = field(init=False)
    file: int = field(init=False)

    def __post_init__(self) -> None:
        self.reading, self.writing = os.pipe()
        os.set_blocking(self.reading, False)
        self.file = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)

    def spawn(self) -> None:
        """Start it, or start it again."""
        out = [(os.POSIX_SPAWN_DUP2, self.writing, 1), (os.POSIX_SPAWN_DUP2, self.writing, 2)]
        self.pid = os.posix_spawn(self.argv[0], self.argv, os.environ, file_actions=out, setpgroup=0, setsigdef=[signal.SIGPIPE])


class Floor:
    """All services, one loop."""

    def __init__(self, spec: str, address: str) -> None:
        with open(spec) as lines:
            words = [line.rstrip("\n").split("\t") for line in lines]
        self.stopping = False
        self.services = {name: Service(name, log, argv) for name, log, *argv in words}
        self.by_pipe = {service.reading: service for service in self.services.values()}
        self.by_pid: dict[int, Service] = {}
        self.clients: dict[int, socket.socket] = {}
        self.epoll = select.epoll()
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(address)
        self.server.listen(128)

    def run(self) -> None:
        """Serve until TERM."""
        woken, waking = os.pipe()
        os.set_blocking(waking, False)
        os.set_blocking(woken, False)
        signal.set_wakeup_fd(waking)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, lambda *_: self.stop())
        for fd in (woken, self.server.fileno(), *self.by_pipe):
            self.epoll.register(fd, select.EPOLLIN)
        for service in self.services.values():
            self.start(service)
        while not self.stopping or self.by_pid:
            for fd, _ in self.epoll.poll():
                if fd in self.by_pipe:
                    self.move(self.by_pipe[fd])
                elif fd == woken:
                    os.read(woken, 4096)
                    self.reap()
                elif fd == self.server.fileno():
                    self.accept()
                else:
                    self.answer(fd)

    def start(self, service: Service) -> None:
        """Start a service and know it by its pid."""
        service.spawn()
        self.by_pid[service.pid] = service

    def stop(self) -> None:
        """TERM for all."""
        self.stopping = True
        for pid in self.by_pid:
            os.kill(pid, signal.SIGTERM)

    def move(self, service: Service) -> None:
        """Output into its file, without looking at it."""
        try:
            os.splice(service.reading, service.file, 1 << 20, flags=os.SPLICE_F_NONBLOCK | os.SPLICE_F_MOVE)
        except BlockingIOError:
            return

    def reap(self) -> None:
        """Start again what ended."""
        while self.by_pid:
            pid, _ = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            service = self.by_pid.pop(pid)
            if not self.stopping:
                self.start(service)

    def accept(self) -> None:
        """One more client."""
        client, _ = self.server.accept()
        self.clients[client.fileno()] = client
        self.epoll.register(client, select.EPOLLIN)

    def answer(self, fd: int) -> None:
        """A name and a newline: the pid."""
        asked = self.clients[fd].recv(256)
        if asked:
            name = asked.strip().decode()
            self.clients[fd].sendall(f"{name} {self.services[name].pid}\n".encode())
        else:
            self.epoll.unregister(fd)
            self.clients.pop(fd).close()


if __name__ == "__main__":
    Floor(*sys.argv[1:3]).run()

"""Mail servers that hardly know how."""

import socket
import threading
import time
from abc import ABC, abstractmethod

from tests.servers import free_port


class OddServer(ABC):
    """Answers one caller on a free loopback port."""

    def __init__(self) -> None:
        self.port = free_port()
        self._listening = socket.create_server(("127.0.0.1", self.port))
        self._thread = threading.Thread(target=self._answer, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._thread.join(10)
        self._listening.close()

    def _answer(self) -> None:
        link, _ = self._listening.accept()
        with link:
            self.talk(link)

    @abstractmethod
    def talk(self, link: socket.socket) -> None:
        """Say and hear something."""


class Drip(OddServer):
    """Greets without end, one byte at a time, so that no read ever waits too long."""

    def talk(self, link: socket.socket) -> None:
        try:
            while True:
                link.sendall(b"2")
                time.sleep(0.02)
        except OSError:
            return


class Plain(OddServer):
    """Knows no extensions, takes everything, and hangs up without a farewell."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        super().__init__()

    def talk(self, link: socket.socket) -> None:
        with link.makefile("rwb") as stream:
            stream.write(b"220 plain\r\n")
            stream.flush()
            for line in stream:
                self.heard.append(line.decode().strip())
                if self.heard[-1] == "quit":
                    return
                if self.heard[-1] == "data":
                    stream.write(b"354 go on\r\n")
                    stream.flush()
                    list(iter(stream.readline, b".\r\n"))
                stream.write(b"250 fine\r\n")
                stream.flush()

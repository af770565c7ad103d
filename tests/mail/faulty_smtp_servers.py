"""SMTP servers that behave badly or support only the minimum."""

import socket
import threading
import time
from abc import ABC, abstractmethod

from tests.servers import free_port


class FaultySmtpServer(ABC):
    """Serves one connection on a free loopback port."""

    def __init__(self) -> None:
        self.port = free_port()
        self._socket = socket.create_server(("127.0.0.1", self.port))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._thread.join(10)
        self._socket.close()

    def _serve(self) -> None:
        connection, _ = self._socket.accept()
        with connection:
            self.handle(connection)

    @abstractmethod
    def handle(self, connection: socket.socket) -> None:
        """Run the SMTP conversation."""


class SlowSmtpServer(FaultySmtpServer):
    """Sends an endless greeting, one byte at a time, so that no single read times out."""

    def handle(self, connection: socket.socket) -> None:
        try:
            while True:
                connection.sendall(b"2")
                time.sleep(0.02)
        except OSError:
            return


class MinimalSmtpServer(FaultySmtpServer):
    """Supports no extensions, accepts all mail, and disconnects without a reply to QUIT."""

    def __init__(self) -> None:
        self.received_lines: list[str] = []
        super().__init__()

    def handle(self, connection: socket.socket) -> None:
        with connection.makefile("rwb") as stream:
            stream.write(b"220 plain\r\n")
            stream.flush()
            for line in stream:
                self.received_lines.append(line.decode().strip())
                if self.received_lines[-1] == "quit":
                    return
                if self.received_lines[-1] == "data":
                    stream.write(b"354 go on\r\n")
                    stream.flush()
                    list(iter(stream.readline, b".\r\n"))
                stream.write(b"250 fine\r\n")
                stream.flush()

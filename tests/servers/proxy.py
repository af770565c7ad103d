"""nginx, in front of whatever its site says."""

import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from tests.servers.process import Server, free_port

# One process, which a kill ends whole. What it would write beside its folder has a place in it.
CONFIGURATION = """
daemon off;
master_process off;
pid {home}/pid;
error_log stderr warn;
events {{}}
http {{
    access_log {home}/access.log;
    client_body_temp_path {home}/bodies;
    proxy_temp_path {home}/answers;
    fastcgi_temp_path {home}/fastcgi;
    uwsgi_temp_path {home}/uwsgi;
    scgi_temp_path {home}/scgi;
    include {home}/site;
}}
"""


class Nginx(Server):
    """An nginx with one site, whose ports 443 and 80 are `port` and `plain_port` here."""

    name = "nginx"

    def __init__(self, site: str = "") -> None:
        super().__init__()
        self.plain_port = free_port()
        self.site = site

    def start(self) -> Self:
        for left_by_a_kill in self.home.glob("*.socket"):
            left_by_a_kill.unlink()
        (self.home / "site").write_text(self._moved(self.site))
        (self.home / "configuration").write_text(CONFIGURATION.format(home=self.home))
        return super().start()

    def answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def command(self) -> Sequence[str | Path]:
        return [self.binaries.nginx, "-e", "stderr", "-p", self.home, "-c", self.home / "configuration"]

    def _moved(self, site: str) -> str:
        """The site at ports of its own; a machine without IPv6 has sockets with names instead."""
        for wanted, port in (("443", self.port), ("80", self.plain_port)):
            site = site.replace(f"listen {wanted}", f"listen 127.0.0.1:{port}")
            site = site.replace(f"listen [::]:{wanted}", f"listen unix:{self.home}/{wanted}.socket")
        return site

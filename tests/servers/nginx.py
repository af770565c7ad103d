"""A private nginx."""

import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from tests.servers.process import Server, free_port

# A single process, so that a kill ends all of it. All paths are inside its own folder.
CONFIGURATION = """
daemon off;
master_process off;
pid {home}/pid;
error_log stderr warn;
events {{}}
http {{
    access_log {home}/access.log;
    client_body_temp_path {home}/bodies;
    proxy_temp_path {home}/proxied;
    fastcgi_temp_path {home}/fastcgi;
    uwsgi_temp_path {home}/uwsgi;
    scgi_temp_path {home}/scgi;
    include {home}/site;
}}
"""


class Nginx(Server):
    """nginx with one site, whose ports 443 and 80 are replaced with `port` and `plain_port`."""

    name = "nginx"

    def __init__(self, site: str = "") -> None:
        super().__init__()
        self.plain_port = free_port()
        self.site = site

    def start(self) -> Self:
        for stale_socket in self.home.glob("*.socket"):  # left by a kill
            stale_socket.unlink()
        (self.home / "site").write_text(self._with_own_ports(self.site))
        (self.home / "configuration").write_text(CONFIGURATION.format(home=self.home))
        return super().start()

    def is_ready(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def command(self) -> Sequence[str | Path]:
        return [self.binaries.nginx, "-e", "stderr", "-p", self.home, "-c", self.home / "configuration"]

    def _with_own_ports(self, site: str) -> str:
        """Replace the ports. IPv6 addresses become Unix sockets, because the machine may have no IPv6."""
        for documented, port in (("443", self.port), ("80", self.plain_port)):
            site = site.replace(f"listen {documented}", f"listen 127.0.0.1:{port}")
            site = site.replace(f"listen [::]:{documented}", f"listen unix:{self.home}/{documented}.socket")
        return site

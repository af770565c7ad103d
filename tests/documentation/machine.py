"""A machine as the production guide has it: a folder for its root, the tests' servers for its services."""

import configparser
import os
import shlex
import ssl
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from http.client import HTTPSConnection
from io import StringIO
from itertools import count
from pathlib import Path

from dotenv import dotenv_values
from tests.journeys.processes import COMMANDS, Place, Running
from tests.journeys.visitors import Visitor
from tests.people import code_of
from tests.servers import Certificate, Nginx, PrivateSqlServer, Redis, SmtpSink, free_port

ETC, VAR = "etc/flaskauth", "var/lib/flaskauth"
SPOOFED = "203.0.113.9"
# The whole of 127.0.0.0/8 is here, so that everybody has an address that is really theirs.
ADDRESSES = (f"127.0.1.{number}" for number in count(1))


class GuidedRedis(Redis):
    """A Redis with a configuration file and a password."""

    configuration = ""

    def command(self) -> list[str | Path]:
        file = self.home / "redis.conf"
        file.write_text(self.configuration)
        return [self.binaries.redis_server, file, "--dir", self.home]

    def answers(self) -> bool:
        return "ready to accept connections" in self.log.read_text().lower()


class TlsVisitor(Visitor):
    """Somebody who comes through the proxy from an address of their own, and says that it is another."""

    def __init__(self, port: int, trusted: ssl.SSLContext) -> None:
        super().__init__(port, SPOOFED)
        self.address = next(ADDRESSES)
        self._connection = HTTPSConnection(
            "127.0.0.1", port, timeout=30, context=trusted, source_address=(self.address, 0)
        )


class Machine:
    """What its reader would have, but for host names, ports, paths and the group's name: see `adapt`."""

    def __init__(self, folder: Path, database: PrivateSqlServer, settings: str) -> None:
        self.folder = folder
        self.database = database
        self.certificate = Certificate(names=("127.0.0.1",))
        told = dotenv_values(stream=StringIO(settings))
        self.sink = SmtpSink(
            tls="starttls",
            login=(told["MAIL_USERNAME"] or "", told["MAIL_PASSWORD"] or ""),
            certificate=self.certificate,
        )
        self.redis, self.nginx, self.port = GuidedRedis(), Nginx(), free_port()
        self.running: list[Running] = []
        for made in ("etc", ETC, VAR):
            (folder / made).mkdir(parents=True, exist_ok=True)
        self.pem, authority = folder / "server.pem", folder / "authority.pem"
        self.certificate.write(self.pem)
        authority.write_text(self.certificate.authority)
        self.place = Place(folder / ETC, {"SSL_CERT_FILE": str(authority), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})

    @property
    def table(self) -> Mapping[str, str]:
        """What stands in the guide, and what in its place here."""
        return {
            "/etc/letsencrypt/live/auth.example.com/fullchain.pem": f"{self.pem}",
            "/etc/letsencrypt/live/auth.example.com/privkey.pem": f"{self.pem}",
            "/run/mysqld/mysqld.sock": f"{self.database.socket}",
            "/etc/flaskauth": f"{self.folder}/{ETC}",
            "FLASKAUTH_INSTANCE_PATH=/var/lib/flaskauth": f"FLASKAUTH_INSTANCE_PATH={self.folder}/{VAR}",
            "/var/www/html": f"{self.folder}/www",
            "/opt/flaskauth/venv/bin": f"{COMMANDS}",
            "https://auth.example.com": f"https://127.0.0.1:{self.nginx.port}",
            "smtp.example.com": "127.0.0.1",
            "MAIL_PORT=587": f"MAIL_PORT={self.sink.port}",
            "db.example.com": f"127.0.0.1:{self.database.port}",
            "127.0.0.1:6379": f"127.0.0.1:{self.redis.port}",
            "port 6379": f"port {self.redis.port}",
            "127.0.0.1:8000": f"127.0.0.1:{self.port}",
            "--port 8000": f"--port {self.port}",
            # The user is made in a passwd file of its own, so nothing can belong to its group or run as it.
            "useradd ": f"useradd --prefix {self.folder} ",
            "-g flaskauth ": f"-g {os.getegid()} ",
            "runuser -u flaskauth -- ": "",
        }

    def adapt(self, text: str) -> str:
        for told, here in self.table.items():
            text = text.replace(told, here)
        return text

    def write(self, path: str, text: str) -> None:
        """What is to stand in a file; where the guide has made it, it keeps its mode."""
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(self.adapt(text))

    def type(self, script: str) -> str:
        """What the commands say, all of which succeed."""
        done = subprocess.run(
            ["bash", "-eu"],
            input=self.adapt(script),
            cwd=self.folder,
            env=self.place.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def query(self, statements: str) -> None:
        for statement in statements.strip().removesuffix(";").split(";\n"):
            self.database.execute(statement)

    def start_database(self, options: str) -> None:
        """With the options as the server itself reads them from a file."""
        file = self.folder / "options.cnf"
        file.write_text(options)
        words = [*self.database.program(), f"--defaults-file={file}", "--print-defaults"]
        said = subprocess.run(words, env=self.database.environment, capture_output=True, text=True, check=True).stdout
        shown = (f"--ssl-cert={self.pem}", f"--ssl-key={self.pem}")
        self.database.options = (*said.splitlines()[-1].split(), *shown)
        self.database.start()

    def start_service(self, unit: str) -> Running:
        """What systemd would start."""
        words = shlex.split(sections(self.adapt(unit))["Service"]["ExecStart"])
        self.running.append(self.place.start(*words, log=str(self.folder / f"{Path(words[0]).name}.log")))
        return self.running[-1]

    def visitor(self) -> TlsVisitor:
        return TlsVisitor(self.nginx.port, self.certificate.for_client())

    def code_for(self, email: str) -> str:
        mail = self.sink.wait_for(lambda mail: email in mail.recipients)
        body = mail.message.get_body(("plain",))
        assert body
        return code_of({"text": body.get_content().replace("\r\n", "\n")})

    def close(self) -> None:
        for running in self.running:
            running.close()


@contextmanager
def machine_with(folder: Path, database: PrivateSqlServer, settings: str) -> Iterator[Machine]:
    """A machine on which nothing is started yet; in the end everything is ended."""
    with ExitStack() as ending:
        ending.callback(database.close)
        found = Machine(folder, database, settings)
        for server in (found.redis, found.nginx):
            ending.callback(server.close)
        ending.enter_context(found.sink)
        ending.callback(found.close)
        yield found


def sections(unit: str) -> Mapping[str, Mapping[str, str]]:
    """A unit's sections."""
    parser = configparser.RawConfigParser(strict=True)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read_string(unit)
    return parser

"""A machine that follows the production guide: a folder replaces its root, and test servers its services."""

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
from tests.e2e.http_client import HttpClient
from tests.e2e.processes import BIN_FOLDER, RunningProcess, Workspace
from tests.servers import Certificate, Nginx, PrivateSqlServer, Redis, SmtpSink, free_port
from tests.support.fork_server import script_folder
from tests.support.users import code_in_mail

ETC, VAR = "etc/flaskauth", "var/lib/flaskauth"
SPOOFED_IP = "203.0.113.9"
# All of 127.0.0.0/8 is local, so each client gets its own IP address.
CLIENT_ADDRESSES = (f"127.0.1.{number}" for number in count(1))


class ConfiguredRedis(Redis):
    """A Redis with a configuration file and a password."""

    configuration = ""

    def command(self) -> list[str | Path]:
        file = self.home / "redis.conf"
        file.write_text(self.configuration)
        return [self.binaries.redis_server, file, "--dir", self.home]

    def is_ready(self) -> bool:
        return "ready to accept connections" in self.log.read_text().lower()


class TlsClient(HttpClient):
    """A client that connects from its own address, and sends a forged X-Forwarded-For."""

    def __init__(self, port: int, context: ssl.SSLContext) -> None:
        super().__init__(port, SPOOFED_IP)
        self.address = next(CLIENT_ADDRESSES)
        self._connection = HTTPSConnection(
            "127.0.0.1", port, timeout=30, context=context, source_address=(self.address, 0)
        )


class Machine:
    """The machine of the guide with different host names, ports, paths and group: see `adapt`."""

    def __init__(self, folder: Path, database: PrivateSqlServer, settings: str) -> None:
        self.folder = folder
        self.database = database
        self.certificate = Certificate(names=("127.0.0.1",))
        dotenv = dotenv_values(stream=StringIO(settings))
        self.sink = SmtpSink(
            tls="starttls",
            login=(dotenv["MAIL_USERNAME"] or "", dotenv["MAIL_PASSWORD"] or ""),
            certificate=self.certificate,
        )
        self.redis, self.nginx, self.port = ConfiguredRedis(), Nginx(), free_port()
        self.running: list[RunningProcess] = []
        for name in ("etc", ETC, VAR):
            (folder / name).mkdir(parents=True, exist_ok=True)
        self.pem, authority = folder / "server.pem", folder / "authority.pem"
        self.certificate.write(self.pem)
        authority.write_text(self.certificate.ca_pem)
        self.workspace = Workspace(
            folder / ETC,
            {
                "SSL_CERT_FILE": str(authority),
                "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
                "FLASKAUTH_ENV_FILE": str(folder / ETC / "flaskauth.env"),
            },
        )

    @property
    def replacements(self) -> Mapping[str, str]:
        """Map text of the guide to its replacement on this machine."""
        return {
            "/etc/letsencrypt/live/auth.example.com/fullchain.pem": f"{self.pem}",
            "/etc/letsencrypt/live/auth.example.com/privkey.pem": f"{self.pem}",
            "/run/mysqld/mysqld.sock": f"{self.database.socket}",
            "/etc/flaskauth": f"{self.folder}/{ETC}",
            "FLASKAUTH_INSTANCE_PATH=/var/lib/flaskauth": f"FLASKAUTH_INSTANCE_PATH={self.folder}/{VAR}",
            "/var/www/html": f"{self.folder}/www",
            "/opt/flaskauth/venv/bin": f"{BIN_FOLDER}",
            "https://auth.example.com": f"https://127.0.0.1:{self.nginx.port}",
            "smtp.example.com": "127.0.0.1",
            "MAIL_PORT=587": f"MAIL_PORT={self.sink.port}",
            "db.example.com": f"127.0.0.1:{self.database.port}",
            "127.0.0.1:6379": f"127.0.0.1:{self.redis.port}",
            "port 6379": f"port {self.redis.port}",
            "127.0.0.1:8000": f"127.0.0.1:{self.port}",
            "--port 8000": f"--port {self.port}",
            # The user exists only in a separate passwd file: files cannot have its group, processes cannot run as it.
            "useradd ": f"useradd --prefix {self.folder} ",
            "-g flaskauth ": f"-g {os.getegid()} ",
            "runuser -u flaskauth -- ": "",
        }

    def adapt(self, text: str) -> str:
        for original, replacement in self.replacements.items():
            text = text.replace(original, replacement)
        return text

    def write(self, path: str, text: str) -> None:
        """Write a file; a file that the guide created keeps its mode."""
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(self.adapt(text))

    def run_script(self, script: str) -> str:
        """Run commands and return their output; assert that all succeed."""
        process = subprocess.run(
            ["bash", "-eu"],
            input=self.adapt(script).replace(f"{BIN_FOLDER}/flaskauth", f"{script_folder()}/flaskauth"),
            cwd=self.folder,
            env=self.workspace.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert process.returncode == 0, process.stdout + process.stderr
        return process.stdout

    def execute_sql(self, statements: str) -> None:
        for statement in statements.strip().removesuffix(";").split(";\n"):
            self.database.execute(statement)

    def start_database(self, options: str) -> None:
        """Start the database with the options that the server itself reads from a file."""
        file = self.folder / "options.cnf"
        file.write_text(options)
        command = [*self.database.program(), f"--defaults-file={file}", "--print-defaults"]
        output = subprocess.run(
            command, env=self.database.environment, capture_output=True, text=True, check=True
        ).stdout
        tls_options = (f"--ssl-cert={self.pem}", f"--ssl-key={self.pem}")
        self.database.options = (*output.splitlines()[-1].split(), *tls_options)
        self.database.start()

    def start_service(self, unit: str) -> RunningProcess:
        """Start the command of a systemd unit."""
        command = shlex.split(unit_sections(self.adapt(unit))["Service"]["ExecStart"])
        self.running.append(self.workspace.start(*command, log=str(self.folder / f"{Path(command[0]).name}.log")))
        return self.running[-1]

    def client(self) -> TlsClient:
        return TlsClient(self.nginx.port, self.certificate.client_context())

    def code_for(self, email: str) -> str:
        mail = self.sink.wait_for(lambda mail: email in mail.recipients)
        body = mail.message.get_body(("plain",))
        assert body
        return code_in_mail({"text": body.get_content().replace("\r\n", "\n")})

    def close(self) -> None:
        for process in self.running:
            process.close()


@contextmanager
def create_machine(folder: Path, database: PrivateSqlServer, settings: str) -> Iterator[Machine]:
    """Create a machine without running services, and stop all services at the end."""
    with ExitStack() as stack:
        stack.callback(database.close)
        machine = Machine(folder, database, settings)
        for server in (machine.redis, machine.nginx):
            stack.callback(server.close)
        stack.enter_context(machine.sink)
        stack.callback(machine.close)
        yield machine


def unit_sections(unit: str) -> Mapping[str, Mapping[str, str]]:
    """Parse the sections of a systemd unit."""
    parser = configparser.RawConfigParser(strict=True)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read_string(unit)
    return parser

"""The README's production commands run with the addresses and passwords of the test environment."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.docs.code_blocks import block
from tests.e2e.http_client import HttpClient
from tests.e2e.installation import SMTP_LOGIN
from tests.e2e.processes import BIN_FOLDER, Workspace
from tests.e2e.scenario import UserScenario
from tests.servers import MariaDB, Redis, SmtpSink, free_port
from tests.support.fork_server import script_folder
from tests.support.users import code_in_mail

DATABASE = "readme"


@pytest.fixture
def sink() -> Iterator[SmtpSink]:
    with SmtpSink(tls="starttls", login=SMTP_LOGIN) as server:
        yield server


@pytest.fixture
def redis() -> Iterator[Redis]:
    with Redis() as server:
        yield server


def test_readme_production_script_leads_to_login(
    mariadb: MariaDB, redis: Redis, sink: SmtpSink, tmp_path: Path
) -> None:
    port = free_port()
    mariadb.create(DATABASE)
    (tmp_path / "authority.pem").write_text(sink.certificate.ca_pem)
    workspace = Workspace(tmp_path, {"MAIL_CA_FILE": "authority.pem"})
    script = block("README.md", "production")
    for text, replacement in {
        "mysql://flaskauth:secret@localhost/flaskauth": mariadb.url(DATABASE),
        "redis://localhost:6379/0": redis.url,
        "https://auth.example.com": f"http://127.0.0.1:{port}",
        "smtp.example.com MAIL_PORT=587": f"127.0.0.1 MAIL_PORT={sink.port}",
        "MAIL_USERNAME=mailer MAIL_PASSWORD=secret": f"MAIL_USERNAME={SMTP_LOGIN[0]} MAIL_PASSWORD={SMTP_LOGIN[1]}",
        "WEB_CONCURRENCY=4": "WEB_CONCURRENCY=2",
        "--host 127.0.0.1 --port 8000": f"--port {port}",
    }.items():
        assert script.count(text) == 1, text
        script = script.replace(text, replacement)

    def code_for(email: str) -> str:
        body = sink.wait_for(lambda mail: email in mail.recipients, 20).message.get_body(("plain",))
        assert body
        return code_in_mail({"text": body.get_content().replace("\r\n", "\n")})

    pasted = f"PATH={script_folder()}:{BIN_FOLDER}:$PATH\n{script}\nwait"
    with workspace.start("/bin/bash", "-c", pasted) as running, closing(HttpClient(port)) as http_client:
        running.wait_until(http_client.is_ready).wait_for_output(" ok.").wait_for_output("with WEB_CONCURRENCY=2")
        UserScenario(http_client, code_for, "grace@example.com").run_full_scenario()
    mariadb.drop(DATABASE)

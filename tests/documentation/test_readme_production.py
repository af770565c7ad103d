"""What the README says of production, pasted as it stands; only addresses and passwords are the test's."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.documentation.blocks import block
from tests.journeys.installation import LOGIN
from tests.journeys.processes import COMMANDS, Place
from tests.journeys.travellers import Traveller
from tests.journeys.visitors import Visitor
from tests.people import code_of
from tests.servers import MariaDB, Redis, SmtpSink, free_port

DATABASE = "readme"


@pytest.fixture
def sink() -> Iterator[SmtpSink]:
    with SmtpSink(tls="starttls", login=LOGIN) as server:
        yield server


@pytest.fixture
def redis() -> Iterator[Redis]:
    with Redis() as server:
        yield server


def test_it_leads_to_a_sign_in(mariadb: MariaDB, redis: Redis, sink: SmtpSink, tmp_path: Path) -> None:
    port = free_port()
    mariadb.create(DATABASE)
    (tmp_path / "authority.pem").write_text(sink.certificate.authority)
    place = Place(tmp_path, {"MAIL_CA_FILE": "authority.pem"})
    script = block("README.md", "production")
    for told, own in {
        "mysql://flaskauth:secret@localhost/flaskauth": mariadb.url(DATABASE),
        "redis://localhost:6379/0": redis.url,
        "https://auth.example.com": f"http://127.0.0.1:{port}",
        "smtp.example.com MAIL_PORT=587": f"127.0.0.1 MAIL_PORT={sink.port}",
        "MAIL_USERNAME=mailer MAIL_PASSWORD=secret": f"MAIL_USERNAME={LOGIN[0]} MAIL_PASSWORD={LOGIN[1]}",
        "--host 127.0.0.1 --port 8000 --workers 4": f"--port {port} --workers 2",
    }.items():
        assert script.count(told) == 1, told
        script = script.replace(told, own)

    def code_for(email: str) -> str:
        body = sink.wait_for(lambda mail: email in mail.recipients, 20).message.get_body(("plain",))
        assert body
        return code_of({"text": body.get_content().replace("\r\n", "\n")})

    pasted = f"PATH={COMMANDS}:$PATH\n{script}\nwait"
    with place.start("/bin/bash", "-c", pasted) as running, closing(Visitor(port)) as visitor:
        running.wait_until(visitor.is_ready).wait_for(" fine.")
        Traveller(visitor, code_for, "grace@example.com").go_all_the_way()
    mariadb.drop(DATABASE)

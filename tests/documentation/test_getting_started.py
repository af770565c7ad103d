"""The page that a new user follows, followed."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from tests.documentation.answers import alike
from tests.documentation.blocks import block
from tests.documentation.clones import clone, own_tools
from tests.journeys.processes import COMMANDS, Place
from tests.journeys.visitors import Visitor
from tests.servers import MariaDB, free_port

EMAIL = "grace@example.com"


class Reader:
    """Somebody with a clone, who types what the page says; only the port is another."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()

    def type(self, text: str, **replaced: str) -> str:
        """What a block says when it is pasted into a shell."""
        for old, new in {"localhost:5000": f"127.0.0.1:{self.port}", **replaced}.items():
            text = text.replace(old, new)
        done = subprocess.run(
            ["bash", "-euc", text], cwd=self.folder, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    @contextmanager
    def running(self, command: str, port: str = "PORT={}") -> Iterator[Visitor]:
        words = ("/usr/bin/env", *command.split(), *port.format(self.port).split())
        with Place(self.folder, own_tools()).start(*words) as server, closing(Visitor(self.port)) as visitor:
            server.wait_until(visitor.is_ready, seconds=120).wait_for("/dev/mailbox")
            yield visitor

    def follow(self, visitor: Visitor) -> None:
        """From joining to the profile, comparing each answer with the one that the page shows."""
        joined = json.loads(self.type(block("docs/getting-started.md", "join")))
        assert alike(joined, json.loads(block("docs/getting-started.md", "joined")))
        verify = block("docs/getting-started.md", "verify")
        verified = json.loads(self.type(verify, **{"BCDF-2345": visitor.code_for(EMAIL)}))
        assert verified == json.loads(block("docs/getting-started.md", "verified"))
        signed_in = json.loads(self.type(block("docs/getting-started.md", "sign-in")))
        assert alike(signed_in, json.loads(block("docs/getting-started.md", "signed-in")))
        profile = self.type(block("docs/getting-started.md", "profile"), **{"<token>": signed_in["token"]})
        assert json.loads(profile)["user"] == signed_in["user"]


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Reader:
    folder = tmp_path_factory.mktemp("clone")
    clone(folder)
    return Reader(folder)


def test_it_leads_to_a_verified_sign_in(reader: Reader) -> None:
    assert block("README.md", "run") == block("docs/getting-started.md", "run")
    with reader.running(block("README.md", "run")) as visitor:
        reader.follow(visitor)


def test_it_leads_to_the_same_without_make(tmp_path: Path) -> None:
    """What is installed comes from where these tests install."""
    clone(tmp_path)
    reader = Reader(tmp_path)
    uv = f"{COMMANDS}/uv --quiet"
    venv, install, serve = block("docs/getting-started.md", "by-hand").splitlines()
    reader.type(venv, **{"python3 -m venv": f"{uv} venv --python {sys.executable}"})
    pip = f"{uv} pip install --python .venv/bin/python --constraint requirements.txt"
    reader.type(install, **{".venv/bin/pip install": pip})
    with reader.running(serve, "--port {}") as visitor:
        reader.follow(visitor)


def test_it_leads_to_the_same_on_mariadb(reader: Reader) -> None:
    with MariaDB() as mariadb:
        for statement in block("docs/getting-started.md", "database").strip().split(";\n"):
            mariadb.execute(statement.rstrip(";").replace("@localhost", "@'%'"))
        env = block("docs/getting-started.md", "env").replace("@localhost/", f"@127.0.0.1:{mariadb.port}/")
        (reader.folder / ".env").write_text(env)
        migrate, run = block("docs/getting-started.md", "migrate").splitlines()
        reader.type(migrate)
        with reader.running(run) as visitor:
            reader.follow(visitor)

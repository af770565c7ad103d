"""Dockerfile and compose.yaml: no image is built here and nothing is started, but what they say is true."""

import json
import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from sqlalchemy import NullPool, create_engine, text
from sqlalchemy.exc import OperationalError, ProgrammingError
from tests.deploying.reading import DEPLOY, compose, instructions, ours
from tests.documentation.blocks import ROOT, block
from tests.documentation.machine import sections
from tests.journeys.processes import COMMANDS, Place
from tests.journeys.visitors import Visitor
from tests.servers import MariaDB, free_port

from flaskauth import Settings
from flaskauth.settings import with_driver

USERS = ("flaskauth", "flaskauth_migrations")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the secrets were made, as the page says."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "deploy").mkdir()
    shutil.copy(DEPLOY / "secrets.sh", folder / "deploy")
    subprocess.run(["sh", "-eu"], input=block("docs/deploying.md", "secrets"), cwd=folder, text=True, check=True)
    return folder / "deploy"


def test_every_secret_is_made_once(made: Path) -> None:
    told = {name: made / secret["file"] for name, secret in compose()["secrets"].items()}
    again = subprocess.run(["sh", made / "secrets.sh"], capture_output=True, check=False)

    assert {path.name for path in (made / "secrets").iterdir()} == {*told}
    assert again.returncode != 0
    assert len({path.read_text() for path in told.values()}) == len(told)
    assert stat.S_IMODE((made / "secrets").stat().st_mode) == 0o700


def test_every_secret_of_a_service_is_there() -> None:
    named = {secret for service in compose()["services"].values() for secret in service.get("secrets", [])}

    assert named == set(compose()["secrets"])
    for name, service in ours().items():
        read = {value for value in service["environment"].values() if value.startswith("/run/secrets/")}
        assert {Path(value).name for value in read} == set(service["secrets"]), name


@pytest.mark.parametrize("service", ours())
def test_the_server_starts_with_such_settings(made: Path, service: str) -> None:
    told = ours()[service]["environment"]
    here = {name: value.replace("/run/secrets", str(made / "secrets")) for name, value in told.items()}
    settings = Settings.load(here, made / "no.env")

    assert {name.removesuffix("_FILE").lower() for name in told} <= set(Settings.model_fields)
    assert {value for value in told.values() if not isinstance(value, str)} == set()
    assert (settings.is_development, settings.warnings()) == (False, [])
    assert settings.database_url.host in compose()["services"]
    proxy = compose()["services"]["proxy"]["networks"]["inside"]["ipv4_address"]
    assert [str(network) for network in settings.trusted_proxies] == [f"{proxy}/32"]


def test_every_image_has_a_version() -> None:
    bases = [told.split()[0] for told in instructions("FROM")]

    for image in (*bases, *(service["image"] for service in compose()["services"].values())):
        assert re.fullmatch(r"[a-z]+:\d+\.\d+[\w.-]*", image), image


def test_every_command_is_one_that_there_is(tmp_path: Path) -> None:
    place = Place(tmp_path, {"REDIS_URL": "redis://127.0.0.1:1/0"})
    commands = [told["command"] for told in ours().values() if "command" in told]
    commands.append(json.loads(instructions("CMD")[-1]))

    assert len(commands) == 3
    for command in commands:
        place.run(*command, "--help")


def test_they_are_those_of_the_guide() -> None:
    server, worker = (
        shlex.split(sections(block("docs/production.md", "server"))["Service"]["ExecStart"]),
        shlex.split(sections(block("docs/production.md", "worker"))["Service"]["ExecStart"]),
    )

    assert ["0.0.0.0" if word == "127.0.0.1" else word for word in server[1:]] == json.loads(instructions("CMD")[-1])[
        1:
    ]
    assert worker[1:] == ours()["worker"]["command"][1:]


def test_what_is_mounted_or_built_from_is_there() -> None:
    mounted = [
        volume.partition(":")[0] for told in compose()["services"].values() for volume in told.get("volumes", [])
    ]
    for path in (name for name in mounted if name.startswith("./")):
        assert (DEPLOY / path).is_file(), path
    for service in ours().values():
        assert (DEPLOY / service["build"]["context"] / service["build"]["dockerfile"]).is_file()
    assert {name for name in mounted if not name.startswith((".", "/"))} == set(compose()["volumes"])


def test_containers_may_write_where_the_server_does_and_nowhere_else() -> None:
    for name, service in ours().items():
        assert (service["read_only"], service["tmpfs"], service["cap_drop"]) == (True, ["/tmp"], ["ALL"]), name
        assert service["volumes"] == [f"instance:{service['environment']['FLASKAUTH_INSTANCE_PATH']}"]
    assert instructions("USER") == ["flaskauth"]
    assert instructions("VOLUME") == ["/var/lib/flaskauth"]


def test_nothing_secret_is_sent_to_the_build() -> None:
    copied = {word for told in instructions("COPY") if "--from" not in told for word in told.split()[:-1]}
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}

    assert copied == let_in
    assert all((ROOT / path).exists() for path in copied)


def test_the_steps_that_make_the_wheel_work(tmp_path: Path) -> None:
    """As they stand, in a folder that holds what is copied, in an environment that has what the lock has."""
    source, venv = tmp_path / "source", tmp_path / "venv"
    for told in instructions("COPY")[1:3]:
        for word in told.split()[:-1]:
            (shutil.copytree if (ROOT / word).is_dir() else shutil.copy)(ROOT / word, _under(source, word, told))
    subprocess.run([COMMANDS / "uv", "venv", "--quiet", "--seed", "--python", sys.executable, venv], check=True)
    [packages] = (venv / "lib").glob("python*/site-packages")
    (packages / "others.pth").write_text(sysconfig.get_path("purelib"))
    [step] = [told for told in instructions("RUN") if "pip wheel" in told]

    script = step.replace("/opt/flaskauth/venv", str(venv)).replace("/wheels", str(tmp_path / "wheels"))
    done = subprocess.run(["sh", "-eu", "-c", script], cwd=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said = subprocess.run([venv / "bin/flaskauth", "--version"], capture_output=True, text=True, check=True).stdout
    assert said.startswith("flaskauth, version ")


def _under(source: Path, word: str, told: str) -> Path:
    source.mkdir(exist_ok=True)
    return source / (Path(word).name if told.rsplit(maxsplit=1)[-1] == "./" else told.rsplit(maxsplit=1)[-1])


def test_the_image_of_the_driver_names_hashes_and_no_address() -> None:
    locked = (ROOT / "tests/servers/mysqlclient.txt").read_text()

    assert "mysqlclient==" in locked
    assert "--hash=sha256:" in locked


def test_the_health_check_tells_a_server_from_none(tmp_path: Path) -> None:
    command = instructions("HEALTHCHECK")[0].partition("CMD ")[2]
    port = free_port()
    words = [word.replace(":8000", f":{port}") for word in json.loads(command)]
    words[0] = sys.executable
    with Place(tmp_path).start("flaskauth", "serve", "--port", str(port)) as server, closing(Visitor(port)) as visitor:
        server.wait_until(visitor.is_ready)
        assert subprocess.run(words, check=False).returncode == 0
    assert subprocess.run(words, stderr=subprocess.DEVNULL, check=False).returncode != 0


@pytest.fixture
def database(mariadb: MariaDB, made: Path, tmp_path: Path) -> Iterator[MariaDB]:
    """What the image of MariaDB would do with the script, by a client that only passes on what it is told."""
    (tmp_path / "mariadb").write_text(f"#!/bin/sh\ncat > {tmp_path}/statements\n")
    (tmp_path / "mariadb").chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "SECRETS": str(made / "secrets")}
    subprocess.run(["sh", "-eu", DEPLOY / "mariadb/users.sh"], env=environment, check=True)
    try:
        for statement in (tmp_path / "statements").read_text().strip().removesuffix(";").split(";\n"):
            mariadb.execute(statement)
        yield mariadb
    finally:
        for undone in ("DROP DATABASE flaskauth", *(f"DROP USER {name}@'%'" for name in USERS)):
            with suppress(OperationalError):
                mariadb.execute(undone)


def test_the_two_users_of_the_database_may_what_they_should(database: MariaDB, made: Path) -> None:
    def execute(secret: str, statement: str) -> None:
        url = (made / "secrets" / secret).read_text().replace("@database/", f"@127.0.0.1:{database.port}/")
        with create_engine(with_driver(url), poolclass=NullPool).begin() as connection:
            connection.execute(text(statement))

    execute("migrations_url", "CREATE TABLE hats (id INT PRIMARY KEY)")
    execute("database_url", "INSERT INTO hats VALUES (1)")
    with pytest.raises((OperationalError, ProgrammingError), match="denied"):
        execute("database_url", "DROP TABLE hats")

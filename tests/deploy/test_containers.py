"""Checks of the Dockerfile and compose.yaml without a container runtime: no image is built, no container started."""

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
from tests.deploy.helpers import DEPLOY, compose, instructions, project_services
from tests.docs.code_blocks import ROOT, block
from tests.docs.machine import unit_sections
from tests.e2e.http_client import HttpClient
from tests.e2e.processes import BIN_FOLDER, Workspace
from tests.servers import MariaDB, free_port

from flaskauth import Settings
from flaskauth.settings import with_driver

USERS = ("flaskauth", "flaskauth_migrations")


@pytest.fixture(scope="module")
def deploy_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the secrets, created as the documentation says."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "deploy").mkdir()
    shutil.copy(DEPLOY / "secrets.sh", folder / "deploy")
    subprocess.run(
        ["sh", "-eu"], input=block("docs/operations/containers.md", "secrets"), cwd=folder, text=True, check=True
    )
    return folder / "deploy"


def test_secrets_script_creates_each_secret_once(deploy_folder: Path) -> None:
    paths = {name: deploy_folder / secret["file"] for name, secret in compose()["secrets"].items()}
    second_run = subprocess.run(["sh", deploy_folder / "secrets.sh"], capture_output=True, check=False)

    assert {path.name for path in (deploy_folder / "secrets").iterdir()} == {*paths}
    assert second_run.returncode != 0
    assert len({path.read_text() for path in paths.values()}) == len(paths)
    assert stat.S_IMODE((deploy_folder / "secrets").stat().st_mode) == 0o700


def test_compose_service_secrets_are_defined() -> None:
    referenced = {secret for service in compose()["services"].values() for secret in service.get("secrets", [])}

    assert referenced == set(compose()["secrets"])
    for name, service in project_services().items():
        files = {value for value in service["environment"].values() if value.startswith("/run/secrets/")}
        assert {Path(value).name for value in files} == set(service["secrets"]), name


@pytest.mark.parametrize("service", project_services())
def test_compose_environment_loads_as_settings(deploy_folder: Path, service: str) -> None:
    environment = project_services()[service]["environment"]
    local = {name: value.replace("/run/secrets", str(deploy_folder / "secrets")) for name, value in environment.items()}
    settings = Settings.load(local, deploy_folder / "no.env")

    assert {name.removesuffix("_FILE").lower() for name in environment} <= set(Settings.model_fields)
    assert {value for value in environment.values() if not isinstance(value, str)} == set()
    assert (settings.is_development, settings.warnings()) == (False, [])
    assert settings.database_url.host in compose()["services"]
    proxy = compose()["services"]["proxy"]["networks"]["inside"]["ipv4_address"]
    assert [str(network) for network in settings.trusted_proxies] == [f"{proxy}/32"]


def test_container_images_are_pinned_to_a_version() -> None:
    bases = [arguments.split()[0] for arguments in instructions("FROM")]

    for image in (*bases, *(service["image"] for service in compose()["services"].values())):
        assert re.fullmatch(r"[a-z]+:\d+\.\d+[\w.-]*", image), image


def test_compose_commands_exist(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path, {"REDIS_URL": "redis://127.0.0.1:1/0"})
    commands = [spec["command"] for spec in project_services().values() if "command" in spec]
    commands.append(json.loads(instructions("CMD")[-1]))
    workspace.run("flaskauth", "db", "upgrade")  # the worker needs a database

    assert len(commands) == 3
    for command in commands:
        workspace.run(*command, "--help")


def test_compose_commands_match_the_production_guide() -> None:
    server, worker = (
        shlex.split(unit_sections(block("docs/operations/production.md", "server"))["Service"]["ExecStart"]),
        shlex.split(unit_sections(block("docs/operations/production.md", "worker"))["Service"]["ExecStart"]),
    )

    assert ["0.0.0.0" if argument == "127.0.0.1" else argument for argument in server[1:]] == json.loads(
        instructions("CMD")[-1]
    )[1:]
    assert worker[1:] == project_services()["worker"]["command"][1:]


def test_compose_mounts_and_build_files_exist() -> None:
    mounted = [
        volume.partition(":")[0] for spec in compose()["services"].values() for volume in spec.get("volumes", [])
    ]
    for path in (name for name in mounted if name.startswith("./")):
        assert (DEPLOY / path).is_file(), path
    for service in project_services().values():
        assert (DEPLOY / service["build"]["context"] / service["build"]["dockerfile"]).is_file()
    assert {name for name in mounted if not name.startswith((".", "/"))} == set(compose()["volumes"])


def test_containers_are_read_only_outside_instance_path() -> None:
    for name, service in project_services().items():
        assert (service["read_only"], service["tmpfs"], service["cap_drop"]) == (True, ["/tmp"], ["ALL"]), name
        assert service["volumes"] == [f"instance:{service['environment']['FLASKAUTH_INSTANCE_PATH']}"]
    assert instructions("USER") == ["flaskauth"]
    assert instructions("VOLUME") == ["/var/lib/flaskauth"]


def test_docker_build_context_contains_only_copied_files() -> None:
    copied = {
        path for arguments in instructions("COPY") if "--from" not in arguments for path in arguments.split()[:-1]
    }
    included = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}

    assert copied == included
    assert all((ROOT / path).exists() for path in copied)


@pytest.mark.slow
def test_dockerfile_wheel_build_steps_work(tmp_path: Path) -> None:
    """Run the steps unchanged in a folder with only the copied files and an environment with the locked packages."""
    source, venv = tmp_path / "source", tmp_path / "venv"
    for arguments in instructions("COPY")[1:3]:
        for path in arguments.split()[:-1]:
            copy = shutil.copytree if (ROOT / path).is_dir() else shutil.copy
            copy(ROOT / path, _copy_target(source, path, arguments))
    subprocess.run([BIN_FOLDER / "uv", "venv", "--quiet", "--seed", "--python", sys.executable, venv], check=True)
    [packages] = (venv / "lib").glob("python*/site-packages")
    (packages / "others.pth").write_text(sysconfig.get_path("purelib"))
    [step] = [command for command in instructions("RUN") if "pip wheel" in command]

    script = step.replace("/opt/flaskauth/venv", str(venv)).replace("/wheels", str(tmp_path / "wheels"))
    result = subprocess.run(["sh", "-eu", "-c", script], cwd=source, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    output = subprocess.run([venv / "bin/flaskauth", "--version"], capture_output=True, text=True, check=True).stdout
    assert output.startswith("flaskauth, version ")


def _copy_target(source: Path, path: str, arguments: str) -> Path:
    source.mkdir(exist_ok=True)
    target = arguments.rsplit(maxsplit=1)[-1]
    return source / (Path(path).name if target == "./" else target)


def test_mysqlclient_lock_pins_version_and_hash() -> None:
    locked = (ROOT / "tests/servers/mysqlclient.txt").read_text()

    assert "mysqlclient==" in locked
    assert "--hash=sha256:" in locked


def test_container_healthcheck_detects_a_running_server(tmp_path: Path) -> None:
    command = instructions("HEALTHCHECK")[0].partition("CMD ")[2]
    port = free_port()
    probe = [argument.replace(":8000", f":{port}") for argument in json.loads(command)]
    probe[0] = sys.executable
    with (
        Workspace(tmp_path).start("flaskauth", "serve", "--port", str(port)) as server,
        closing(HttpClient(port)) as http_client,
    ):
        server.wait_until(http_client.is_ready)
        assert subprocess.run(probe, check=False).returncode == 0
    assert subprocess.run(probe, stderr=subprocess.DEVNULL, check=False).returncode != 0


@pytest.fixture
def database(mariadb: MariaDB, deploy_folder: Path, tmp_path: Path) -> Iterator[MariaDB]:
    """Create the database users with the script for the MariaDB image, run with a `mariadb` client that records it."""
    (tmp_path / "mariadb").write_text(f"#!/bin/sh\ncat > {tmp_path}/statements\n")
    (tmp_path / "mariadb").chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "SECRETS": str(deploy_folder / "secrets")}
    subprocess.run(["sh", "-eu", DEPLOY / "mariadb/users.sh"], env=environment, check=True)
    try:
        for statement in (tmp_path / "statements").read_text().strip().removesuffix(";").split(";\n"):
            mariadb.execute(statement)
        yield mariadb
    finally:
        for cleanup in ("DROP DATABASE flaskauth", *(f"DROP USER {name}@'%'" for name in USERS)):
            with suppress(OperationalError):
                mariadb.execute(cleanup)


def test_database_users_have_least_privilege(database: MariaDB, deploy_folder: Path) -> None:
    def execute(secret: str, statement: str) -> None:
        url = (deploy_folder / "secrets" / secret).read_text().replace("@database/", f"@127.0.0.1:{database.port}/")
        with create_engine(with_driver(url), poolclass=NullPool).begin() as connection:
            connection.execute(text(statement))

    execute("migrations_url", "CREATE TABLE t (id INT PRIMARY KEY)")
    execute("database_url", "INSERT INTO t VALUES (1)")
    with pytest.raises((OperationalError, ProgrammingError), match="denied"):
        execute("database_url", "DROP TABLE t")

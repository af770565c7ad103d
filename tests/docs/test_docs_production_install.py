"""The production guide: installation and systemd units."""

import json
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from tests.docs.code_blocks import ROOT, block
from tests.docs.machine import unit_sections
from tests.e2e.processes import BIN_FOLDER

from flaskauth.mail import delivery
from flaskauth.server.run import WORKER_KILL_TIMEOUT

HEADERS = Path(sysconfig.get_path("include")) / "Python.h"
COMPILERS = [path for path in (shutil.which("gcc"),) if path and HEADERS.exists()]
HASH = """if True:
    import _argon2_cffi_bindings as library
    from argon2.low_level import Type, hash_secret, verify_secret
    digest = hash_secret(b"seven green kettles", b"0123456789abcdef", 2, 19456, 1, 32, Type.ID)
    {then}
    print(library.__file__, digest.decode())
"""


class InstallFolder:
    """A folder that replaces /opt/flaskauth. Dependencies are those of the test environment."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.python = folder / "venv/bin/python"

    def run_script(self, script: str) -> subprocess.CompletedProcess[str]:
        table = {
            "python3 -m venv": f"{BIN_FOLDER}/uv venv --quiet --seed --python {sys.executable}",
            "/opt/flaskauth/venv/bin/pip install --no-deps --require-hashes -r tests/servers/mysqlclient.txt": ":",
            "/opt/flaskauth/venv/bin/pip install --no-deps --require-hashes": f"{BIN_FOLDER}/uv pip install --quiet"
            f" --python {self.python} --no-deps --require-hashes",
            "/opt/flaskauth/source": f"{ROOT}",
            "/opt/flaskauth": f"{self.folder}",
        }
        for text, replacement in table.items():
            script = script.replace(text, replacement)
        return subprocess.run(["bash", "-eu"], input=script, capture_output=True, text=True, check=False)

    def run(self, *words: str | Path) -> str:
        process = subprocess.run(words, capture_output=True, text=True, check=False)
        assert process.returncode == 0, process.stderr
        return process.stdout

    def hash(self, then: str = "") -> tuple[str, str]:
        """Return the path of the Argon2 library and a digest."""
        library, digest = self.run(self.python, "-c", HASH.format(then=then)).split()
        return library, digest


@pytest.fixture(scope="module")
def install_folder(tmp_path_factory: pytest.TempPathFactory) -> InstallFolder:
    install = InstallFolder(tmp_path_factory.mktemp("opt"))
    process = install.run_script(block("docs/operations/production.md", "install"))
    assert process.returncode == 0, process.stderr
    [packages] = (install.folder / "venv/lib").glob("python*/site-packages")
    (packages / "others.pth").write_text(sysconfig.get_path("purelib"))
    return install


@pytest.mark.parametrize(
    "page", ["docs/tutorials/getting-started.md", "docs/operations/production.md", "deploy/Dockerfile"]
)
def test_lock_is_installed_without_resolving_dependencies(page: str) -> None:
    """pip 23.2 rejects `pydantic[email]>=2.0` if a newer version than the locked one exists."""
    text = (ROOT / page).read_text().replace("\\\n", "")
    commands = re.findall(r"pip install .*-r requirements\.txt", text)

    assert commands
    assert [command for command in commands if "--no-deps" not in command] == []


@pytest.mark.slow
def test_production_install_block_installs_a_working_venv(install_folder: InstallFolder) -> None:
    extras = "import importlib.metadata, json; print(json.dumps(importlib.metadata.metadata('flaskauth-server').json))"
    metadata = json.loads(install_folder.run(install_folder.python, "-c", extras))

    assert "flaskauth, version" in install_folder.run(install_folder.folder / "venv/bin/flaskauth", "--version")
    assert str(install_folder.folder) in install_folder.run(
        install_folder.python, "-c", "import flaskauth; print(flaskauth.__file__)"
    )
    assert "mysql" in metadata["provides_extra"]


@pytest.mark.slow
@pytest.mark.parametrize("compiler", COMPILERS)
def test_native_argon2_build_computes_the_same_digests(install_folder: InstallFolder, compiler: str) -> None:
    """Requires gcc and the Python headers, as the page states."""
    package, digest = install_folder.hash()
    [library] = Path(package).parent.glob("*.so")
    before = library.read_bytes()

    process = install_folder.run_script(block("docs/operations/production.md", "native"))
    assert process.returncode == 0, process.stderr
    _package, same = install_folder.hash(
        then=f"assert verify_secret({digest.encode()!r}, b'seven green kettles', Type.ID)"
    )
    assert library.is_relative_to(install_folder.folder)
    assert (library.read_bytes() == before, same) == (False, digest)


def test_systemd_stop_timeout_exceeds_shutdown_time() -> None:
    server, worker = (
        unit_sections(unit)["Service"]
        for unit in (block("docs/operations/production.md", "server"), block("docs/operations/production.md", "worker"))
    )
    mail_seconds = (delivery.LEASE - delivery.LEASE_RESERVE).total_seconds()

    assert int(server["TimeoutStopSec"]) > WORKER_KILL_TIMEOUT
    assert int(worker["TimeoutStopSec"]) > mail_seconds


def test_systemd_units_pass_systemd_analyze_verify(tmp_path: Path) -> None:
    """Passes without systemd-analyze. Other tests run the commands of the units."""
    common = tmp_path / "flaskauth-.service.d/common.conf"
    common.parent.mkdir()
    common.write_text(block("docs/operations/production.md", "common"))
    services = {
        "server": block("docs/operations/production.md", "server"),
        "worker": block("docs/operations/production.md", "worker"),
    }
    for name, unit in services.items():
        errors = systemd_verify(
            tmp_path / f"flaskauth-{name}.service", unit.replace("/opt/flaskauth/venv/bin", str(BIN_FOLDER))
        )
        assert errors == ""

    assert {"User", "NoNewPrivileges", "ProtectSystem"} <= set(unit_sections(common.read_text())["Service"])


def systemd_verify(file: Path, unit: str) -> str:
    """Return the errors that systemd-analyze reports for a unit."""
    file.write_text(unit)
    if not shutil.which("systemd-analyze"):
        return ""
    command = ["systemd-analyze", "verify", "--man=no", str(file)]
    return subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False).stderr

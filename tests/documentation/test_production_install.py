"""docs/production.md: what is installed, and the units that start it."""

import json
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from tests.documentation.blocks import ROOT, block
from tests.documentation.machine import sections
from tests.journeys.processes import COMMANDS

from flaskauth.mail import delivery
from flaskauth.serving import ENDED_WITHIN

HEADERS = Path(sysconfig.get_path("include")) / "Python.h"
COMPILERS = [found for found in (shutil.which("gcc"),) if found and HEADERS.exists()]
HASH = """if True:
    import _argon2_cffi_bindings as library
    from argon2.low_level import Type, hash_secret, verify_secret
    digest = hash_secret(b"seven green kettles", b"0123456789abcdef", 2, 19456, 1, 32, Type.ID)
    {then}
    print(library.__file__, digest.decode())
"""


class Opt:
    """A folder in the place of /opt/flaskauth. What flaskauth needs is found where these tests find it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.python = folder / "venv/bin/python"

    def type(self, script: str) -> subprocess.CompletedProcess[str]:
        table = {
            "python3 -m venv": f"{COMMANDS}/uv venv --quiet --seed --python {sys.executable}",
            'pip install "': 'pip install --no-deps "',
            "/opt/flaskauth/source": f"{ROOT}",
            "/opt/flaskauth": f"{self.folder}",
        }
        for told, here in table.items():
            script = script.replace(told, here)
        return subprocess.run(["bash", "-eu"], input=script, capture_output=True, text=True, check=False)

    def run(self, *words: str | Path) -> str:
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def hash(self, then: str = "") -> tuple[str, str]:
        """Which library hashes, and a digest."""
        library, digest = self.run(self.python, "-c", HASH.format(then=then)).split()
        return library, digest


@pytest.fixture(scope="module")
def opt(tmp_path_factory: pytest.TempPathFactory) -> Opt:
    found = Opt(tmp_path_factory.mktemp("opt"))
    done = found.type(block("docs/production.md", "install"))
    assert done.returncode == 0, done.stderr
    [packages] = (found.folder / "venv/lib").glob("python*/site-packages")
    (packages / "others.pth").write_text(sysconfig.get_path("purelib"))
    return found


def test_what_was_installed_runs(opt: Opt) -> None:
    extras = "import importlib.metadata, json; print(json.dumps(importlib.metadata.metadata('flaskauth').json))"
    metadata = json.loads(opt.run(opt.python, "-c", extras))

    assert "flaskauth, version" in opt.run(opt.folder / "venv/bin/flaskauth", "--version")
    assert str(opt.folder) in opt.run(opt.python, "-c", "import flaskauth; print(flaskauth.__file__)")
    assert "mysql" in metadata["provides_extra"]


@pytest.mark.parametrize("compiler", COMPILERS)
def test_a_library_built_for_this_processor_makes_the_same_digests(opt: Opt, compiler: str) -> None:
    """Where there are gcc and Python's headers, as the page says."""
    before, digest = opt.hash()

    done = opt.type(block("docs/production.md", "native"))
    assert done.returncode == 0, done.stderr
    after, same = opt.hash(then=f"assert verify_secret({digest.encode()!r}, b'seven green kettles', Type.ID)")
    assert (after == before, after.startswith(str(opt.folder)), same) == (False, True, digest)


def test_services_are_given_the_time_that_they_need_to_end() -> None:
    server, worker = (
        sections(unit)["Service"]
        for unit in (block("docs/production.md", "server"), block("docs/production.md", "worker"))
    )
    a_mail = (delivery.LEASE - delivery.RESERVE).total_seconds()

    assert int(server["TimeoutStopSec"]) > ENDED_WITHIN
    assert int(worker["TimeoutStopSec"]) > a_mail


def test_systemd_understands_the_units(tmp_path: Path) -> None:
    """Where there is a systemd to ask; that they start what they should, the page's other tests show."""
    common = tmp_path / "flaskauth-.service.d/common.conf"
    common.parent.mkdir()
    common.write_text(block("docs/production.md", "common"))
    services = {"server": block("docs/production.md", "server"), "worker": block("docs/production.md", "worker")}
    for name, unit in services.items():
        told = verified(tmp_path / f"flaskauth-{name}.service", unit.replace("/opt/flaskauth/venv/bin", str(COMMANDS)))
        assert told == ""

    assert {"User", "NoNewPrivileges", "ProtectSystem"} <= set(sections(common.read_text())["Service"])


def verified(file: Path, unit: str) -> str:
    """What systemd has to say of it."""
    file.write_text(unit)
    if not shutil.which("systemd-analyze"):
        return ""
    command = ["systemd-analyze", "verify", "--man=no", str(file)]
    return subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False).stderr

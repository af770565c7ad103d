import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests import servers


def test_a_machine_that_cannot_bring_mysql_is_told_to_name_one(tmp_path: Path) -> None:
    shutil.copytree(Path(servers.__file__).parent, tmp_path / "tests/servers")
    (tmp_path / "apt.conf").write_text('Dir::Etc::SourceList "/dev/null"; Dir::Etc::SourceParts "/dev/null";')
    done = subprocess.run(
        [sys.executable, "-m", "tests.servers", "install-mysql"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "APT_CONFIG": str(tmp_path / "apt.conf")},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert "TEST_MYSQL_URL=mysql://root:password@" in done.stderr
    assert "Traceback" not in done.stderr

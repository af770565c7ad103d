"""`python -m tests.servers`: errors of the installation."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests import servers
from tests.support import server_logs


def test_install_mysql_unavailable_suggests_mysql_url(tmp_path: Path) -> None:
    shutil.copytree(Path(servers.__file__).parent, tmp_path / "tests/servers")
    (tmp_path / "tests/support").mkdir()
    shutil.copy(server_logs.__file__, tmp_path / "tests/support")
    (tmp_path / "apt.conf").write_text('Dir::Etc::SourceList "/dev/null"; Dir::Etc::SourceParts "/dev/null";')
    result = subprocess.run(
        [sys.executable, "-m", "tests.servers", "install-mysql"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "APT_CONFIG": str(tmp_path / "apt.conf")},
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.returncode == 1
    assert "TEST_MYSQL_URL=mysql://root:password@" in result.stderr
    assert "Traceback" not in result.stderr

"""The start of `flaskauth serve`: only what the server needs is imported."""

import subprocess
import sys
from pathlib import Path

UNNEEDED = ("alembic", "celery", "kombu", "obstore", "passlib", "PIL", "pygments", "pymysql", "redis", "rich.console")
SCRIPT = """
import gc, sys
import flaskauth.cli.output
assert gc.isenabled()
import flaskauth.cli.main, flaskauth.server.run
flaskauth.server.run._get_app()
print(*sys.modules)
"""


def test_server_start_imports_no_unneeded_library(tmp_path: Path) -> None:
    environment = {"SQLALCHEMY_DATABASE_URI": f"sqlite:///{tmp_path}/empty.sqlite", "FLASKAUTH_ENV": "development"}
    imported = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True, check=True
    )
    assert {"flaskauth.app", "sqlalchemy", "granian"} <= set(imported.stdout.split())
    assert not set(UNNEEDED) & set(imported.stdout.split())

"""The command-line interface on the same database as the application."""

from pathlib import Path

import pytest
from tests.user_admin.helpers import AdminCLI


@pytest.fixture
def admin_cli(database: str, tmp_path: Path) -> AdminCLI:
    return AdminCLI(database, tmp_path)

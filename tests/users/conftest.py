"""The command beside the application, on the same database."""

from pathlib import Path

import pytest
from tests.users.desk import Desk


@pytest.fixture
def desk(database: str, tmp_path: Path) -> Desk:
    return Desk(database, tmp_path)

"""The benchmarks measure the installed commands, and commits that reach a disk."""

from pathlib import Path

from benchmarks.environment import create_workspace, durable_database
from tests.servers.process import MEMORY


def test_measured_command_has_production_hash_parameters(tmp_path: Path) -> None:
    assert not create_workspace(tmp_path, "sqlite://", 1).is_forked  # the fork server hashes with cheap parameters


def test_measured_database_files_are_not_in_memory() -> None:
    database = durable_database()
    try:
        assert not database.home.is_relative_to(MEMORY)
    finally:
        database.close()

"""The README's tour runs unchanged, also in an interactive shell."""

import os
from collections.abc import Iterator

import pytest
from tests.docs.code_blocks import block
from tests.docs.shell import Shell, serve_folder
from tests.docs.terminal import OPTIONS, paste


@pytest.fixture(scope="module")
def server_shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    with serve_folder(tmp_path_factory.mktemp("tour")) as shell:
        yield shell


@pytest.mark.parametrize("program", OPTIONS)
def test_readme_tour_works_as_pasted(server_shell: Shell, program: str) -> None:
    text = block("README.md", "tour").replace("localhost:5000", server_shell.address)
    folder = server_shell.workspace.folder
    output = paste(program, text, folder, {"PATH": os.environ["PATH"], "HOME": str(folder)})

    for message in ("Registration Successful", "Verification Successful", "Profile Details", "Token Successfully"):
        assert message in output, output

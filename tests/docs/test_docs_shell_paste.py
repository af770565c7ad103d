"""Every shell block can be pasted into interactive bash and zsh: both run the same commands with the same words.

Interactive zsh takes no comments, rejects a pattern without a match, and does not split variables into words.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.docs.code_blocks import blocks, pages
from tests.docs.terminal import OPTIONS, paste

# No program is found: the words of each command are recorded, and the command succeeds.
RECORD = """command_not_found_handle{suffix}() {{ (IFS="|"; printf '%s\\n' "$*" >> "$RECORD"); }}
unset HISTFILE
PATH=/nowhere"""
SETUP = {"bash": RECORD.format(suffix=""), "zsh": RECORD.format(suffix="r")}
PROGRAM_FOLDER = re.compile(r"(?<![\w/.])(?:\.venv|/opt/flaskauth/venv)/bin/")
ABSOLUTE_REDIRECTION = re.compile(r"> */(?!dev/null)")


def shell_blocks() -> Iterator[tuple[str, str]]:
    """Yield the name and the text of each block that users paste: no script files."""
    for page in pages():
        for info, text in blocks(page):
            language, _, label = info.partition(" ")
            if language == "sh" and not text.startswith("#!"):
                yield f"{page}:{label}", text


def record_commands(shell: str, named_blocks: dict[str, str], folder: Path) -> dict[str, list[str]]:
    """Paste all blocks into one shell. Return the commands of each block."""
    record, lines = folder / "record", [SETUP[shell]]
    for name, text in named_blocks.items():
        lines += [f"BLOCK {name}", ABSOLUTE_REDIRECTION.sub("> ", PROGRAM_FOLDER.sub("", text)), "wait"]
    paste(shell, "\n".join(lines), folder, {"RECORD": str(record), "HOME": str(folder)})
    parts = record.read_text().split("BLOCK|")[1:]
    return {name: sorted(commands) for name, *commands in (part.splitlines() for part in parts)}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, list[str]]]:
    return {shell: record_commands(shell, dict(shell_blocks()), tmp_path_factory.mktemp(shell)) for shell in OPTIONS}


@pytest.mark.parametrize("name", [name for name, _text in shell_blocks()])
def test_block_runs_the_same_commands_in_bash_and_zsh(recorded: dict[str, dict[str, list[str]]], name: str) -> None:
    assert recorded["zsh"][name] == recorded["bash"][name]


@pytest.mark.parametrize(
    "text",
    [
        "flaskauth doctor  # checks\n",
        "# Register.\ncurl http://localhost:5000/hello\n",
        "curl http://localhost:5000/users/activity?limit=1\n",
        "flaskauth mail show *.eml\n",
        "curl --data [1]\n",
        "OPTIONS='-s -S'\ncurl $OPTIONS x\n",
        "flaskauth mail list =mail\n",
    ],
)
def test_paste_test_detects_a_difference_of_zsh(tmp_path: Path, text: str) -> None:
    for shell in OPTIONS:
        (tmp_path / shell).mkdir()
    bash, zsh = (record_commands(shell, {"block": text}, tmp_path / shell) for shell in OPTIONS)

    assert bash != zsh

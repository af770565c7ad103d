"""The tutorial "Add a second factor", followed step by step."""

import json
import sys
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pyotp
import pytest
from tests.docs.code_blocks import block
from tests.docs.response_match import matches_example
from tests.docs.shell import Shell, register_grace, serve_folder
from tests.e2e.http_client import HttpClient

from flaskauth.core import clock


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    with serve_folder(tmp_path_factory.mktemp("second-factors")) as shell:
        with closing(HttpClient(shell.port)) as http_client:
            register_grace(http_client)
        yield shell


def run(shell: Shell, text: str, **replaced: str) -> Any:
    """Run a block of the page with these values, and return the response."""
    for old, new in replaced.items():
        text = text.replace("123456" if old == "otp" else f"<{old}>", new)
    [response] = shell.paste_json(text)
    return response


def test_tutorial_adds_app_and_signs_in_with_both_factors(shell: Shell) -> None:
    token = run(shell, block("docs/tutorials/getting-started.md", "sign-in"))["token"]
    added = run(shell, block("docs/tutorials/add-a-second-factor.md", "add"), token=token)
    assert matches_example(added, json.loads(block("docs/tutorials/add-a-second-factor.md", "added")))
    app = pyotp.TOTP(added["secret"])
    code = block("docs/tutorials/add-a-second-factor.md", "code").replace("<secret>", added["secret"])
    printed = shell.paste(code.replace(".venv/bin/python", sys.executable)).strip()
    assert printed in {app.at(clock.now()), app.at(clock.now().timestamp() - 30)}  # a step may have ended meanwhile
    confirm = block("docs/tutorials/add-a-second-factor.md", "confirm")
    confirmed = run(shell, confirm, token=token, id=str(added["id"]), otp=app.at(clock.now()))
    example = json.loads(block("docs/tutorials/add-a-second-factor.md", "confirmed"))
    assert {**confirmed, "recovery_codes": None} == {**example, "recovery_codes": None}
    assert len(confirmed["recovery_codes"]) == 10

    challenged = run(shell, block("docs/tutorials/add-a-second-factor.md", "sign-in"))
    assert matches_example(challenged, json.loads(block("docs/tutorials/add-a-second-factor.md", "challenged")))
    second_step = block("docs/tutorials/add-a-second-factor.md", "second-factor")
    later_code = app.at(clock.now().timestamp() + 30)  # accepted one step early, so the test need not wait
    signed_in = run(shell, second_step, challenge=challenged["challenge_token"], otp=later_code)
    assert signed_in["user"]["email"] == "grace@example.com"

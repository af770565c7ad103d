"""The page about changing the mails: its settings are valid, and its commands create valid templates."""

from io import StringIO
from pathlib import Path

from dotenv import dotenv_values
from tests.docs.code_blocks import block
from tests.docs.shell import Shell
from tests.e2e.processes import Workspace

from flaskauth.settings import Settings

PAGE_SETTINGS = block("docs/how-to/change-the-mails.md", "brand")


def test_change_mails_page_settings_are_valid(tmp_path: Path) -> None:
    values = {name: value or "" for name, value in dotenv_values(stream=StringIO(PAGE_SETTINGS)).items()}
    settings = Settings.load({"FLASKAUTH_ENV": "development", **values}, tmp_path / "no.env")

    assert (settings.app_name, settings.mail_brand_color) == ("Acme", "#0a7d4f")


def test_change_mails_page_commands_create_valid_templates(tmp_path: Path) -> None:
    shell = Shell(Workspace(tmp_path), 0)
    output = shell.paste(block("docs/how-to/change-the-mails.md", "copy"))
    output += shell.paste(block("docs/how-to/change-the-mails.md", "language"))

    assert output.count("copied ") == 9
    assert "3 replaced templates are valid." in output

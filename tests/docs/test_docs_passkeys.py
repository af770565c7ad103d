"""The passkey page: its settings are valid, its files are JSON, and its command makes an origin that is accepted."""

import json
from pathlib import Path

from tests.docs.code_blocks import block
from tests.docs.shell import serve_workspace
from tests.e2e.processes import Workspace

from flaskauth.settings import Settings


def load_exported(text: str) -> Settings:
    """Return the settings that the lines of a block export."""
    values = dict(word.split("=", 1) for word in text.split() if "=" in word)
    return Settings.load({"FLASKAUTH_ENV": "development", "SECRET_KEY": "k" * 40, **values}, Path("no.env"))


def test_passkeys_page_settings_name_one_related_domain() -> None:
    settings = load_exported(block("docs/how-to/add-passkeys.md", "settings"))

    assert settings.rp_id == "example.com"
    assert settings.passkey_origins == (
        "https://auth.example.com",
        "https://example.com",
        "https://www.example.com",
    )
    assert settings.related_origins == ()


def test_passkeys_page_files_and_apk_origin_are_valid(tmp_path: Path) -> None:
    [statement] = json.loads(block("docs/how-to/add-passkeys.md", "assetlinks"))
    [fingerprint] = statement["target"]["sha256_cert_fingerprints"]
    command = block("docs/how-to/add-passkeys.md", "apk-origin")

    assert json.loads(block("docs/how-to/add-passkeys.md", "apple"))["webcredentials"]
    assert fingerprint in command
    with serve_workspace(Workspace(tmp_path, {"WEBAUTHN_ORIGINS": "https://example.org"})) as (shell, _):
        origin = shell.paste(command).strip()
        related = shell.paste(block("docs/how-to/add-passkeys.md", "related"))
    assert load_exported(f"WEBAUTHN_ORIGINS={origin}").passkey_origins[1] == origin
    assert json.loads(related) == {"origins": ["https://example.org"]}

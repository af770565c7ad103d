"""The concept pages: their code blocks run, and their diagrams are accessible."""

import json
import re
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from tests.breached_passwords.helpers import BREACH_ERRORS, BREACHED_PASSWORD, sha1_hex
from tests.docs.code_blocks import ROOT, block
from tests.docs.shell import Shell, register_grace, serve_folder, serve_workspace
from tests.e2e.http_client import HttpClient
from tests.e2e.processes import Workspace
from tests.support.users import GRACE

PAGES = ["registration", "sessions", "signing-keys", "outbox", "second-factors"]
SVG = "{http://www.w3.org/2000/svg}"
OLD, NEW = "3x-Kq81nVt5Zr0wYb7Lm2Jc9Hd4Gf6Ps-old", "7u_Bn24mXe9Qk1sWz8Rv5Ty3Ah6Jd0Lc-new"
CREDENTIALS = {name: GRACE[name] for name in ("email", "password")}
KID = re.compile(r"^ *\d+ +([\w-]{43}) ", re.MULTILINE)


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """Start a server with default settings and Grace's account."""
    with serve_folder(tmp_path_factory.mktemp("concepts")) as shell:
        with closing(HttpClient(shell.port)) as http_client:
            register_grace(http_client)
        yield shell


def test_registration_page_ambiguous_code_needs_its_id(shell: Shell) -> None:
    ambiguous, verified = shell.paste_json(block("docs/concepts/registration.md", "ambiguous"))

    assert ambiguous["code"] == "verification_ambiguous"
    assert verified["message"] == "Verification Successful! Login to your account"


def test_sessions_page_refresh_reuse_returns_same_token(shell: Shell) -> None:
    first, again = shell.paste(block("docs/concepts/sessions.md", "same")).splitlines()

    assert first == again
    assert first.split(".")[1] == "2"


def test_sessions_page_revoking_sessions_needs_fresh_token(shell: Shell) -> None:
    rejected, revoked = shell.paste_json(block("docs/concepts/sessions.md", "fresh"))

    assert rejected["code"] == "reauthentication_required"
    assert revoked["message"] == "Signed out"


def test_passwords_page_reset_and_mailed_code_allow_login(tmp_path: Path) -> None:
    settings = {"PUBLIC_URL": "http://localhost:5000", "EMAIL_SIGN_IN": "true"}
    with serve_workspace(Workspace(tmp_path, settings)) as (shell, http_client):
        register_grace(http_client)
        reset, signed_in = shell.paste_json(block("docs/concepts/passwords.md", "reset"))
        [signed_in_by_code] = shell.paste_json(block("docs/concepts/passwords.md", "email-code"))

    assert reset["message"] == "Your password was changed"
    assert signed_in["user"]["email"] == signed_in_by_code["user"]["email"] == CREDENTIALS["email"]


def test_email_change_page_change_is_reverted(tmp_path: Path) -> None:
    with serve_workspace(Workspace(tmp_path, {"PUBLIC_URL": "http://localhost:5000"})) as (shell, http_client):
        register_grace(http_client)
        requested, changed, reverted = shell.paste_json(block("docs/concepts/email-change.md", "change"))

    assert requested["message"] == "A code was sent to the new email address"
    assert changed["user"]["email"] == "hopper@example.org"
    assert reverted["message"].startswith("Your account is secured.")


def test_passwords_page_breached_filter_rejects_password(tmp_path: Path) -> None:
    (tmp_path / "pwned.txt").write_text(f"{sha1_hex(BREACHED_PASSWORD)}:12\r\n")
    Shell(Workspace(tmp_path), 0).paste(block("docs/concepts/passwords.md", "filter"))

    with serve_workspace(Workspace(tmp_path, {"BREACHED_PASSWORDS": "breached.filter"})) as (_shell, http_client):
        body = http_client.post("/auth/register", {**GRACE, "password": BREACHED_PASSWORD}).expect(422)
    assert body["errors"] == BREACH_ERRORS


def test_account_deletion_page_exports_and_restores(tmp_path: Path) -> None:
    with serve_workspace(Workspace(tmp_path, {"PUBLIC_URL": "http://localhost:5000"})) as (shell, http_client):
        register_grace(http_client)
        activity, scheduled, rejected, restored = shell.paste_json(block("docs/concepts/account-deletion.md", "delete"))

    exported = json.loads((tmp_path / "account.json").read_text())
    assert [event["name"] for event in activity["events"]] == ["sign_in"]
    assert exported["profile"]["email"] == CREDENTIALS["email"]
    assert (scheduled["message"], restored["message"]) == ("Your account will be deleted", "Your account is restored")
    assert rejected["code"] == "forbidden"


def test_avatars_page_uploads_and_serves_an_avatar(shell: Shell) -> None:
    url, response = shell.paste(block("docs/concepts/avatars.md", "avatar")).splitlines()

    assert url.startswith(f"http://{shell.address}/avatars/")
    assert response == "200 image/webp"


def test_outbox_page_lists_and_retries_mail(shell: Shell) -> None:
    output = shell.paste(block("docs/concepts/outbox.md", "list"))

    assert "registration/verify_email" in output
    assert output.rstrip().endswith("No entries.")
    assert "0 mails will be retried." in shell.paste(block("docs/concepts/outbox.md", "retry"))


def test_signing_keys_page_rotates_in_an_hour_or_now(tmp_path: Path) -> None:
    with serve_folder(tmp_path) as shell:
        output = shell.paste(block("docs/concepts/signing-keys.md", "rotate"), "flaskauth keys list")
        [first, *both] = KID.findall(output)
        assert both[0] == first
        assert f"Key {both[1]} signs in an hour." in output

        output = shell.paste(block("docs/concepts/signing-keys.md", "leak"), "flaskauth keys list")
        [remaining] = KID.findall(output)
        assert f"Key {remaining} signs now" in output


def test_signing_keys_page_secret_change_keeps_sessions(tmp_path: Path) -> None:
    """Servers of adjacent steps accept each other's tokens during a rolling restart."""
    steps = [{"SECRET_KEY": OLD}, step_settings("announce"), step_settings("change"), step_settings("finish")]
    workspaces = [Workspace(tmp_path, {"PUBLIC_URL": "http://localhost:5000", **step}) for step in steps]
    with serve_workspace(workspaces[0]) as (_shell, http_client):
        register_grace(http_client)

    for before, after in pairwise(workspaces):
        with serve_workspace(before) as (_shell, first), serve_workspace(after) as (_shell, second):
            login_and_refresh_across(first, second)
            login_and_refresh_across(second, first)


def test_signing_keys_page_reset_after_lost_secret_works(tmp_path: Path) -> None:
    with serve_workspace(Workspace(tmp_path, {"SECRET_KEY": OLD})) as (_shell, http_client):
        register_grace(http_client)
        signed_in = http_client.post("/auth/login", CREDENTIALS).expect()

    workspace = Workspace(tmp_path, {"SECRET_KEY": NEW})
    assert "SECRET_KEY_FALLBACKS" in workspace.run("flaskauth", "serve", expect=1)
    Shell(workspace, 0).paste(block("docs/concepts/signing-keys.md", "reset"))

    with serve_workspace(workspace) as (_shell, http_client):
        http_client.post("/auth/refresh", {"refresh_token": signed_in["refresh_token"]}).expect(401)
        http_client.post("/auth/login", CREDENTIALS).expect()


@pytest.mark.parametrize("page", PAGES)
def test_concept_page_has_one_described_diagram(page: str) -> None:
    text = (ROOT / f"docs/concepts/{page}.md").read_text(encoding="utf-8")
    [(alt, name)] = re.findall(r"^!\[([^]]+)\]\(([^)]+)\)$", text, re.MULTILINE)

    assert name == f"{page}.svg"
    assert parse_svg(page).findtext(f"{SVG}title") == alt


@pytest.mark.parametrize("page", PAGES)
def test_concept_diagram_is_accessible_and_self_contained(page: str) -> None:
    root = parse_svg(page)
    raw = (ROOT / f"docs/concepts/{page}.svg").read_text(encoding="utf-8")

    assert root.get("role") == "img"
    assert len(root.findtext(f"{SVG}desc") or "") > 100
    assert root.get("width") == "760"
    assert {element.tag.removeprefix(SVG) for element in root.iter()}.isdisjoint({"script", "image", "foreignObject"})
    assert re.findall(r"https?://[^\"\s]+", raw) == ["http://www.w3.org/2000/svg"]
    panel = next(root.iter(f"{SVG}rect"))
    assert (panel.get("class"), panel.get("width")) == ("panel", "759")


def step_settings(step: str) -> dict[str, str]:
    """Return the settings of one step, with real secrets in place of the placeholders."""
    lines = {
        "announce": block("docs/concepts/signing-keys.md", "announce"),
        "change": block("docs/concepts/signing-keys.md", "change"),
        "finish": block("docs/concepts/signing-keys.md", "finish"),
    }[step].splitlines()
    settings = dict(line.split("=", 1) for line in lines)
    return {
        name: value.replace("the old secret", OLD).replace("the new secret", NEW) for name, value in settings.items()
    }


def login_and_refresh_across(first: HttpClient, second: HttpClient) -> None:
    """Sign in at the first server, continue at the second, and refresh at the first again."""
    signed_in = first.post("/auth/login", CREDENTIALS).expect()
    second.get("/users/profile", signed_in["token"]).expect()
    refreshed = second.post("/auth/refresh", {"refresh_token": signed_in["refresh_token"]}).expect()
    first.post("/auth/refresh", {"refresh_token": refreshed["refresh_token"]}).expect()


def parse_svg(page: str) -> ET.Element:
    return ET.parse(ROOT / f"docs/concepts/{page}.svg").getroot()

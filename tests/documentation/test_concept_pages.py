"""The concept pages: what they show is run, and their diagrams are what readers and screen readers can use."""

import json
import re
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from tests.documentation.blocks import ROOT, block
from tests.documentation.shells import Shell, join_grace, served, serving
from tests.journeys.processes import Place
from tests.journeys.visitors import Visitor
from tests.passwords.leaked import KNOWN, TOLD, name_of
from tests.people import GRACE

PAGES = ["attempts", "sessions", "keys", "outbox"]
SVG = "{http://www.w3.org/2000/svg}"
OLD, NEW = "3x-Kq81nVt5Zr0wYb7Lm2Jc9Hd4Gf6Ps-old", "7u_Bn24mXe9Qk1sWz8Rv5Ty3Ah6Jd0Lc-new"
CREDENTIALS = {name: GRACE[name] for name in ("email", "password")}
KID = re.compile(r"^ *\d+ +([\w-]{43}) ", re.MULTILINE)


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """A server with nothing set, and Grace's account on it."""
    with served(tmp_path_factory.mktemp("concepts")) as found:
        with closing(Visitor(found.port)) as visitor:
            join_grace(visitor)
        yield found


def test_a_contested_code_needs_its_id(shell: Shell) -> None:
    contested, verified = shell.answers(block("docs/concepts/attempts.md", "contested"))

    assert contested["code"] == "verification_contested"
    assert verified["message"] == "Verification Successful! Login to your account"


def test_a_refresh_token_that_comes_twice_gets_one_successor(shell: Shell) -> None:
    first, again = shell.paste(block("docs/concepts/sessions.md", "same")).splitlines()

    assert first == again
    assert first.split(".")[1] == "2"


def test_only_a_fresh_token_ends_other_sessions(shell: Shell) -> None:
    refused, ended = shell.answers(block("docs/concepts/sessions.md", "fresh"))

    assert refused["code"] == "reauthentication_required"
    assert ended["message"] == "Signed out"


def test_who_forgot_the_password_signs_in_with_another(tmp_path: Path) -> None:
    with serving(Place(tmp_path, {"PUBLIC_URL": "http://localhost:5000"})) as (shell, visitor):
        join_grace(visitor)
        reset, signed_in = shell.answers(block("docs/concepts/passwords.md", "reset"))

    assert reset["message"] == "Your password was changed"
    assert signed_in["user"]["email"] == CREDENTIALS["email"]


def test_an_address_is_changed_and_taken_back(tmp_path: Path) -> None:
    with serving(Place(tmp_path, {"PUBLIC_URL": "http://localhost:5000"})) as (shell, visitor):
        join_grace(visitor)
        asked, changed, undone = shell.answers(block("docs/concepts/addresses.md", "change"))

    assert asked["message"] == "A code is on its way to the new address"
    assert changed["user"]["email"] == "hopper@example.org"
    assert undone["message"].startswith("Your account is yours again.")


def test_a_filter_is_made_of_a_list_and_used(tmp_path: Path) -> None:
    (tmp_path / "pwned.txt").write_text(f"{name_of(KNOWN)}:12\r\n")
    Shell(Place(tmp_path), 0).paste(block("docs/concepts/passwords.md", "filter"))

    with serving(Place(tmp_path, {"BREACHED_PASSWORDS": "breached.filter"})) as (_shell, visitor):
        refused = visitor.post("/auth/register", {**GRACE, "password": KNOWN}).expect(422)
    assert refused["errors"] == TOLD


def test_who_leaves_takes_everything_along_and_may_come_back(tmp_path: Path) -> None:
    with serving(Place(tmp_path, {"PUBLIC_URL": "http://localhost:5000"})) as (shell, visitor):
        join_grace(visitor)
        seen, closing_, refused, stays = shell.answers(block("docs/concepts/leaving.md", "leave"))

    exported = json.loads((tmp_path / "account.json").read_text())
    assert [event["name"] for event in seen["events"]] == ["sign_in"]
    assert exported["profile"]["email"] == CREDENTIALS["email"]
    assert (closing_["message"], stays["message"]) == ("Your account is being closed", "Your account stays")
    assert refused["code"] == "forbidden"


def test_a_picture_is_put_up_and_shown(shell: Shell) -> None:
    address, shown = shell.paste(block("docs/concepts/avatars.md", "picture")).splitlines()

    assert address.startswith(f"http://{shell.address}/avatars/")
    assert shown == "200 image/webp"


def test_the_mails_are_listed(shell: Shell) -> None:
    said = shell.paste(block("docs/concepts/outbox.md", "list"))

    assert "registration/prove_address" in said
    assert said.rstrip().endswith("Nothing yet.")
    assert "0 mails will be tried again." in shell.paste(block("docs/concepts/outbox.md", "retry"))


def test_keys_are_rotated_in_an_hour_or_now(tmp_path: Path) -> None:
    with served(tmp_path) as shell:
        said = shell.paste(block("docs/concepts/keys.md", "rotate"), "flaskauth keys list")
        [only, *both] = KID.findall(said)
        assert both[0] == only
        assert f"Key {both[1]} signs in an hour." in said

        said = shell.paste(block("docs/concepts/keys.md", "leak"), "flaskauth keys list")
        [left] = KID.findall(said)
        assert f"Key {left} signs now" in said


def test_a_secret_is_changed_without_signing_anybody_out(tmp_path: Path) -> None:
    """At each step a server of the step before still runs, and each goes on with what the other made."""
    steps = [{"SECRET_KEY": OLD}, env("announce"), env("change"), env("finish")]
    places = [Place(tmp_path, {"PUBLIC_URL": "http://localhost:5000", **step}) for step in steps]
    with serving(places[0]) as (_shell, visitor):
        join_grace(visitor)

    for before, after in pairwise(places):
        with serving(before) as (_shell, one), serving(after) as (_shell, other):
            carry_on(one, other)
            carry_on(other, one)


def test_a_lost_secret_is_got_over(tmp_path: Path) -> None:
    with serving(Place(tmp_path, {"SECRET_KEY": OLD})) as (_shell, visitor):
        join_grace(visitor)
        signed_in = visitor.post("/auth/login", CREDENTIALS).expect()

    place = Place(tmp_path, {"SECRET_KEY": NEW})
    assert "SECRET_KEY_FALLBACKS" in place.run("flaskauth", "serve", expect=1)
    Shell(place, 0).paste(block("docs/concepts/keys.md", "reset"))

    with serving(place) as (_shell, visitor):
        visitor.post("/auth/refresh", {"refresh_token": signed_in["refresh_token"]}).expect(401)
        visitor.post("/auth/login", CREDENTIALS).expect()


@pytest.mark.parametrize("page", PAGES)
def test_each_page_has_one_diagram(page: str) -> None:
    text = (ROOT / f"docs/concepts/{page}.md").read_text(encoding="utf-8")
    [(told, name)] = re.findall(r"^!\[([^]]+)\]\(([^)]+)\)$", text, re.MULTILINE)

    assert name == f"{page}.svg"
    assert drawing(page).findtext(f"{SVG}title") == told


@pytest.mark.parametrize("page", PAGES)
def test_a_diagram_is_read_anywhere(page: str) -> None:
    root = drawing(page)
    raw = (ROOT / f"docs/concepts/{page}.svg").read_text(encoding="utf-8")

    assert root.get("role") == "img"
    assert len(root.findtext(f"{SVG}desc") or "") > 100
    assert root.get("width") == "760"
    assert {element.tag.removeprefix(SVG) for element in root.iter()}.isdisjoint({"script", "image", "foreignObject"})
    assert re.findall(r"https?://[^\"\s]+", raw) == ["http://www.w3.org/2000/svg"]
    panel = next(root.iter(f"{SVG}rect"))
    assert (panel.get("class"), panel.get("width")) == ("panel", "759")


def env(step: str) -> dict[str, str]:
    """The settings of one step, with secrets in the place of the words."""
    lines = {
        "announce": block("docs/concepts/keys.md", "announce"),
        "change": block("docs/concepts/keys.md", "change"),
        "finish": block("docs/concepts/keys.md", "finish"),
    }[step].splitlines()
    told = dict(line.split("=", 1) for line in lines)
    return {name: value.replace("the old secret", OLD).replace("the new secret", NEW) for name, value in told.items()}


def carry_on(one: Visitor, other: Visitor) -> None:
    """Sign in at one server, go on at the other."""
    signed_in = one.post("/auth/login", CREDENTIALS).expect()
    other.get("/users/profile", signed_in["token"]).expect()
    next_ones = other.post("/auth/refresh", {"refresh_token": signed_in["refresh_token"]}).expect()
    one.post("/auth/refresh", {"refresh_token": next_ones["refresh_token"]}).expect()


def drawing(page: str) -> ET.Element:
    return ET.parse(ROOT / f"docs/concepts/{page}.svg").getroot()

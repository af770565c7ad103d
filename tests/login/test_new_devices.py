"""The owner is told of a sign-in from a device never seen, and can say that it was somebody else."""

from typing import Any

import pytest
from flask import Flask
from tests.email_change.asking import OVER, Change, link_of, signs_in
from tests.inside import recorded, refused
from tests.people import ELSEWHERE, HERE, PASSWORD, THERE, Mailbox, People, network
from tests.recovery.test_undoing import resets
from tests.registration.asking import GRACE_AT
from tests.sessions.holding import Holder
from tests.tables import settle

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
SAFARI = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.0 Mobile/15E148 Safari/604.1"
)
EVIL = "Click https://evil.example.com now/1.0"


def signed_in(people: People, at: str = HERE, browser: str = FIREFOX, **more: str) -> dict[str, Any]:
    body = {"email": GRACE_AT, "password": PASSWORD, **more}
    answer = people.client.post("/auth/login", json=body, headers={**network(at), "User-Agent": browser})
    assert answer.status_code == 200, answer.text
    welcome: dict[str, Any] = answer.get_json()
    return welcome


def told(app: Flask) -> list[dict[str, Any]]:
    """The mails about new devices, newest first."""
    settle(app)
    return [mail for mail in Mailbox(app).all() if "new sign-in" in mail["subject"]]


def test_the_first_sign_in_is_no_news(app: Flask, people: People) -> None:
    people.joined()
    signed_in(people)

    assert told(app) == []


def test_a_device_never_seen_is(app: Flask, people: People) -> None:
    people.joined()
    signed_in(people)
    signed_in(people, THERE, SAFARI)
    [mail] = told(app)

    assert mail["to"] == GRACE_AT
    for word in ("Mobile Safari (iOS)", THERE):
        assert word in mail["text"]
        assert word in mail["html"]


@pytest.mark.parametrize(("at", "browser"), [(THERE, FIREFOX), (HERE, SAFARI)])
def test_another_browser_or_another_network_is_another_device(
    app: Flask, people: People, at: str, browser: str
) -> None:
    people.joined()
    signed_in(people)
    signed_in(people, at, browser)

    assert len(told(app)) == 1


def test_what_was_seen_is_no_news(app: Flask, people: People) -> None:
    people.joined()
    token = signed_in(people)["device_token"]
    signed_in(people)
    signed_in(people, ELSEWHERE, SAFARI, device_token=token)

    assert told(app) == []


def test_what_a_stranger_calls_a_browser_puts_no_link_into_a_mail(app: Flask, people: People) -> None:
    people.joined()
    signed_in(people)
    signed_in(people, THERE, EVIL)
    [mail] = told(app)

    assert "evil" not in mail["text"] + mail["html"]
    assert "unknown" in mail["text"]


def test_disowned_it_ends_with_all_others_and_only_a_reset_opens_the_account(app: Flask, people: People) -> None:
    people.joined()
    owner = Holder(people.client, signed_in(people))
    thief = Holder(people.client, signed_in(people, THERE, SAFARI))
    again = Holder(people.client, signed_in(people, THERE, SAFARI))
    link = link_of(told(app)[0])
    assert link.path == "/auth/disown"
    assert link.followed(people.client).status_code == 200

    assert (thief.is_over(), again.is_over(), owner.is_over()) == (True, True, True)
    assert signs_in(people, GRACE_AT) == 401
    assert recorded(app, "sign_in_disowned").session_id == thief.session_id
    assert refused(link.followed(people.client)) == OVER
    assert resets(app, people, GRACE_AT) == 200


def test_a_device_that_was_disowned_is_not_known_any_more(app: Flask, people: People) -> None:
    people.joined()
    signed_in(people)
    token = signed_in(people, THERE, SAFARI)["device_token"]
    link_of(told(app)[0]).followed(people.client)
    resets(app, people, GRACE_AT, PASSWORD)
    signed_in(people, ELSEWHERE, SAFARI, device_token=token)

    assert len(told(app)) == 3


def test_an_address_that_the_thief_asked_for_is_not_got(app: Flask, people: People) -> None:
    people.joined()
    signed_in(people)
    thief = Holder(people.client, signed_in(people, THERE, SAFARI))
    change = Change.asked(app, thief, "mallory@example.net")
    link_of(told(app)[0]).followed(people.client)

    assert change.proven().status_code == 401
    assert resets(app, people, GRACE_AT) == 200


def test_a_list_of_sessions_calls_devices_by_their_names(people: People) -> None:
    people.joined()
    token = signed_in(people)["token"]
    signed_in(people, THERE, SAFARI)
    signed_in(people, THERE, "")
    sessions = people.client.get("/auth/sessions", headers={"Authorization": f"Bearer {token}"}).get_json()["sessions"]

    assert [session["device"] for session in sessions] == ["", "Mobile Safari (iOS)", "Firefox (Linux)"]

import pytest
from flask.testing import FlaskClient
from tests.mail.conftest import DEVELOPMENT, MakeOffice
from tests.mail.office import GRACE, Office
from werkzeug.test import TestResponse

from flaskauth.foundation import clock
from flaskauth.mail.models import DEAD, DROPPED, WITHHELD

PATHS = ["/dev/mailbox", "/dev/mailbox.json", "/dev/mailbox/static/mailbox.css", "/dev/mailbox/static/mailbox.js"]


def test_the_mailbox_shows_what_was_sent_newest_first(home: Office, client: FlaskClient) -> None:
    mails = [home.put("ada@example.com"), home.put()]
    home.sweep()

    answer = client.get("/dev/mailbox.json")
    body = answer.get_json()

    assert (body["status"], body["success"], body["message"]) == ("Success", True, "Mailbox")
    assert [mail["id"] for mail in body["mails"]] == mails[::-1]
    newest = body["mails"][0]
    row = home.row(mails[1])
    assert row.sent_at
    assert {**newest, "text": "", "html": ""} == {
        "id": mails[1],
        "to": GRACE,
        "from": "flaskauth <no-reply@localhost>",
        "subject": "Account Verification on Flaskauth",
        "text": "",
        "html": "",
        "sent_at": clock.stamp(row.sent_at),
        "message_id": row.message_id,
    }
    assert f"\n{home.code(mails[1])}\n" in newest["text"]
    assert home.code(mails[1]) in newest["html"]


def test_old_mails_keep_showing_their_code(home: Office, client: FlaskClient) -> None:
    mail_id = home.put()
    home.sweep()
    home.use_code(mail_id)

    [mail] = client.get("/dev/mailbox.json").get_json()["mails"]

    assert home.code(mail_id) in mail["text"]


@pytest.mark.parametrize("state", [DROPPED, WITHHELD, DEAD])
def test_what_was_not_sent_is_not_shown(home: Office, client: FlaskClient, state: str) -> None:
    home.put(state=state)
    home.sweep()

    assert client.get("/dev/mailbox.json").get_json()["mails"] == []


def test_a_hundred_mails_are_shown_at_most(home: Office, client: FlaskClient) -> None:
    mails = [home.put(code_id=None) for _ in range(103)]
    home.sweep()

    shown = [mail["id"] for mail in client.get("/dev/mailbox.json").get_json()["mails"]]

    assert shown == mails[:2:-1]


def test_who_has_seen_it_all_is_told_so(home: Office, client: FlaskClient) -> None:
    home.put()
    home.sweep()
    tag = client.get("/dev/mailbox.json").headers["ETag"]

    assert client.get("/dev/mailbox.json", headers={"If-None-Match": tag}).status_code == 304

    home.put()
    home.sweep()
    assert client.get("/dev/mailbox.json", headers={"If-None-Match": tag}).status_code == 200


def test_the_page_runs_its_own_script_and_nothing_else(client: FlaskClient) -> None:
    page = client.get("/dev/mailbox")

    assert page.mimetype == "text/html"
    assert dict(part.split(" ", 1) for part in page.headers["Content-Security-Policy"].split("; ")) == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self' 'unsafe-inline'",
        "connect-src": "'self'",
        "img-src": "data:",
        "frame-ancestors": "'none'",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    assert "sandbox></iframe>" in page.text
    assert page.text.count("<script") == page.text.count('<script src="/dev/mailbox/static/mailbox.js" defer></script>')
    assert client.get("/dev/mailbox/static/mailbox.js", buffered=True).mimetype == "text/javascript"
    assert client.get("/dev/mailbox/static/mailbox.css", buffered=True).mimetype == "text/css"


@pytest.mark.parametrize("name", ["../routes.py", "..%2froutes.py", "../templates/mailbox.html", "no.css"])
def test_nothing_else_is_served(client: FlaskClient, name: str) -> None:
    assert client.get(f"/dev/mailbox/static/{name}").status_code == 404


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.9.1", "::1"])
@pytest.mark.parametrize("host", ["localhost", "localhost:5000", "127.0.0.1:5000", "[::1]:5000"])
def test_this_machine_may_look(client: FlaskClient, peer: str, host: str) -> None:
    for path in PATHS:
        answer = client.get(path, headers={"Host": host}, environ_base={"REMOTE_ADDR": peer}, buffered=True)
        assert answer.status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Forwarded-For": "127.0.0.1"},
        {"X-Forwarded-Host": "localhost"},
        {"X-Real-IP": "127.0.0.1"},
        {"Forwarded": "for=127.0.0.1"},
        {"Via": "1.1 proxy"},
        {"Host": "auth.example.com"},
        {"Host": "rebound.example.com:5000"},
        {"Host": "localhost.example.com"},
        {"Host": "192.0.2.1"},
    ],
    ids=str,
)
def test_through_a_proxy_or_by_another_name_there_is_nothing(client: FlaskClient, headers: dict[str, str]) -> None:
    for path in PATHS:
        assert_nothing_here(client.get(path, headers=headers))


def test_another_machine_sees_nothing(client: FlaskClient) -> None:
    for path in PATHS:
        assert client.get(path, environ_base={"REMOTE_ADDR": "192.0.2.1"}).status_code in {403, 404}


@pytest.mark.parametrize(
    "settings", [{}, {**DEVELOPMENT, "MAIL_SERVER": "127.0.0.1"}], ids=["production", "development"]
)
def test_where_mail_is_really_sent_there_is_no_mailbox(make_office: MakeOffice, settings: dict[str, str]) -> None:
    client = make_office(**settings).app.test_client()

    for path in PATHS:
        assert_nothing_here(client.get(path, headers={"Host": "localhost"}))


def assert_nothing_here(answer: TestResponse) -> None:
    assert (answer.status_code, answer.get_json()["code"]) == (404, "not_found")

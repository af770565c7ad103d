import pytest
from flask.testing import FlaskClient
from tests.mail.conftest import DEVELOPMENT, MakeHarness
from tests.mail.helpers import GRACE_EMAIL, MailHarness
from werkzeug.test import TestResponse

from flaskauth.core import clock
from flaskauth.mail.models import DISCARDED, FAILED, SUPPRESSED

PATHS = ["/dev/mailbox", "/dev/mailbox.json", "/dev/mailbox/static/mailbox.css", "/dev/mailbox/static/mailbox.js"]


def test_mailbox_lists_sent_mails_newest_first(dev_harness: MailHarness, client: FlaskClient) -> None:
    mail_ids = [dev_harness.enqueue("ada@example.com"), dev_harness.enqueue()]
    dev_harness.deliver_due()

    response = client.get("/dev/mailbox.json")
    body = response.get_json()

    assert (body["status"], body["success"], body["message"]) == ("Success", True, "Mailbox")
    assert [mail["id"] for mail in body["mails"]] == mail_ids[::-1]
    mail = body["mails"][0]
    row = dev_harness.row(mail_ids[1])
    assert row.sent_at
    assert {**mail, "text": "", "html": ""} == {
        "id": mail_ids[1],
        "to": GRACE_EMAIL,
        "from": "flaskauth <no-reply@localhost>",
        "subject": f"Account Verification on Flaskauth: {dev_harness.code(mail_ids[1])}",
        "text": "",
        "html": "",
        "sent_at": clock.to_rfc3339(row.sent_at),
        "message_id": row.message_id,
    }
    assert f"\n{dev_harness.code(mail_ids[1])}\n" in mail["text"]
    assert dev_harness.code(mail_ids[1]) in mail["html"]


def test_mailbox_shows_used_codes(dev_harness: MailHarness, client: FlaskClient) -> None:
    mail_id = dev_harness.enqueue()
    dev_harness.deliver_due()
    dev_harness.use_code(mail_id)

    [mail] = client.get("/dev/mailbox.json").get_json()["mails"]

    assert dev_harness.code(mail_id) in mail["text"]


@pytest.mark.parametrize("state", [DISCARDED, SUPPRESSED, FAILED])
def test_mailbox_hides_unsent_mails(dev_harness: MailHarness, client: FlaskClient, state: str) -> None:
    dev_harness.enqueue(state=state)
    dev_harness.deliver_due()

    assert client.get("/dev/mailbox.json").get_json()["mails"] == []


def test_mailbox_lists_at_most_100_mails(dev_harness: MailHarness, client: FlaskClient) -> None:
    mail_ids = [dev_harness.enqueue(code_id=None) for _ in range(103)]
    dev_harness.deliver_due()

    listed_ids = [mail["id"] for mail in client.get("/dev/mailbox.json").get_json()["mails"]]

    assert listed_ids == mail_ids[:2:-1]


def test_mailbox_etag_returns_304_when_unchanged(dev_harness: MailHarness, client: FlaskClient) -> None:
    dev_harness.enqueue()
    dev_harness.deliver_due()
    etag = client.get("/dev/mailbox.json").headers["ETag"]

    assert client.get("/dev/mailbox.json", headers={"If-None-Match": etag}).status_code == 304

    dev_harness.enqueue()
    dev_harness.deliver_due()
    assert client.get("/dev/mailbox.json", headers={"If-None-Match": etag}).status_code == 200


def test_mailbox_page_csp_allows_only_own_script(client: FlaskClient) -> None:
    response = client.get("/dev/mailbox")

    assert response.mimetype == "text/html"
    assert dict(part.split(" ", 1) for part in response.headers["Content-Security-Policy"].split("; ")) == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self' 'unsafe-inline'",
        "connect-src": "'self'",
        "img-src": "data:",
        "frame-ancestors": "'none'",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    assert "sandbox></iframe>" in response.text
    assert response.text.count("<script") == response.text.count(
        '<script src="/dev/mailbox/static/mailbox.js" defer></script>'
    )
    assert client.get("/dev/mailbox/static/mailbox.js", buffered=True).mimetype == "text/javascript"
    assert client.get("/dev/mailbox/static/mailbox.css", buffered=True).mimetype == "text/css"


@pytest.mark.parametrize("name", ["../routes.py", "..%2froutes.py", "../templates/mailbox.html", "no.css"])
def test_mailbox_static_path_traversal_is_not_found(client: FlaskClient, name: str) -> None:
    assert client.get(f"/dev/mailbox/static/{name}").status_code == 404


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.9.1", "::1"])
@pytest.mark.parametrize("host", ["localhost", "localhost:5000", "127.0.0.1:5000", "[::1]:5000"])
def test_mailbox_is_served_to_localhost(client: FlaskClient, peer: str, host: str) -> None:
    for path in PATHS:
        response = client.get(path, headers={"Host": host}, environ_base={"REMOTE_ADDR": peer}, buffered=True)
        assert response.status_code == 200


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
def test_mailbox_is_hidden_behind_proxy_or_foreign_host(client: FlaskClient, headers: dict[str, str]) -> None:
    for path in PATHS:
        assert_not_found(client.get(path, headers=headers))


def test_mailbox_is_hidden_behind_nginx_with_default_headers(client: FlaskClient) -> None:
    """`proxy_pass http://127.0.0.1:5000;` alone: nginx sends HTTP/1.0 with this Host and no header of the client."""
    headers = {"Host": "127.0.0.1:5000", "Connection": "close"}
    for path in PATHS:
        assert_not_found(client.get(path, headers=headers, environ_overrides={"SERVER_PROTOCOL": "HTTP/1.0"}))


def test_mailbox_is_hidden_from_remote_clients(client: FlaskClient) -> None:
    for path in PATHS:
        assert client.get(path, environ_base={"REMOTE_ADDR": "192.0.2.1"}).status_code in {403, 404}


@pytest.mark.parametrize(
    "settings", [{}, {**DEVELOPMENT, "MAIL_SERVER": "127.0.0.1"}], ids=["production", "development"]
)
def test_mailbox_is_disabled_when_smtp_is_used(make_harness: MakeHarness, settings: dict[str, str]) -> None:
    client = make_harness(**settings).app.test_client()

    for path in PATHS:
        assert_not_found(client.get(path, headers={"Host": "localhost"}))


def assert_not_found(response: TestResponse) -> None:
    assert (response.status_code, response.get_json()["code"]) == (404, "not_found")

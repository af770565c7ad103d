"""Delete mails of the development mailbox, and read their source."""

from email import message_from_bytes
from email.policy import default

import pytest
from flask.testing import FlaskClient
from tests.mail.conftest import DEVELOPMENT, MakeHarness
from tests.mail.helpers import GRACE_EMAIL, MailHarness
from tests.mail.test_dev_mailbox import assert_not_found
from tests.support.inspect import error_of

from flaskauth.mail.models import FAILED, QUEUED

OTHER_SITES: list[dict[str, str]] = [
    {"Origin": "https://evil.example.com"},
    {"Origin": "http://localhost:3000"},
    {"Origin": "https://localhost"},
    {"Origin": "null"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Origin": "http://localhost", "Sec-Fetch-Site": "cross-site"},
]
FORBIDDEN = (403, "forbidden")


def listed_ids(client: FlaskClient) -> list[int]:
    return [mail["id"] for mail in client.get("/dev/mailbox.json").get_json()["mails"]]


@pytest.fixture
def mail_ids(dev_harness: MailHarness) -> list[int]:
    """Send three mails and return their ids, newest first."""
    ids = [dev_harness.enqueue() for _ in range(3)]
    dev_harness.deliver_due()
    return ids[::-1]


@pytest.mark.parametrize("headers", [{}, {"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}], ids=str)
def test_delete_removes_one_mail(client: FlaskClient, mail_ids: list[int], headers: dict[str, str]) -> None:
    etag = client.get("/dev/mailbox.json").headers["ETag"]
    response = client.delete(f"/dev/mailbox/{mail_ids[1]}", headers=headers)

    assert (response.status_code, response.get_json()["status"]) == (200, "Success")
    assert listed_ids(client) == [mail_ids[0], mail_ids[2]]
    assert client.get("/dev/mailbox.json", headers={"If-None-Match": etag}).status_code == 200
    assert_not_found(client.delete(f"/dev/mailbox/{mail_ids[1]}"))
    assert_not_found(client.get(f"/dev/mailbox/{mail_ids[1]}.eml"))


def test_delete_all_keeps_mails_that_are_not_sent(
    dev_harness: MailHarness, client: FlaskClient, mail_ids: list[int]
) -> None:
    failed_id = dev_harness.enqueue(state=FAILED)
    queued_id = dev_harness.enqueue()

    assert client.delete("/dev/mailbox").status_code == 200
    assert listed_ids(client) == []
    assert [dev_harness.row(mail_id).state for mail_id in (failed_id, queued_id)] == [FAILED, QUEUED]
    assert_not_found(client.delete(f"/dev/mailbox/{failed_id}"))
    assert client.delete("/dev/mailbox").status_code == 200


@pytest.mark.parametrize("headers", OTHER_SITES, ids=str)
def test_delete_from_other_site_is_forbidden(client: FlaskClient, mail_ids: list[int], headers: dict[str, str]) -> None:
    for path in ("/dev/mailbox", f"/dev/mailbox/{mail_ids[0]}"):
        assert error_of(client.delete(path, headers=headers)) == FORBIDDEN

    assert listed_ids(client) == mail_ids


def test_delete_from_cors_origin_is_forbidden(make_harness: MakeHarness) -> None:
    harness = make_harness(**DEVELOPMENT, MAIL_SERVER="", CORS_ORIGINS="https://app.example.com")
    client = harness.app.test_client()

    assert error_of(client.delete("/dev/mailbox", headers={"Origin": "https://app.example.com"})) == FORBIDDEN


def test_source_is_the_mail_as_sent(dev_harness: MailHarness, client: FlaskClient) -> None:
    mail_id = dev_harness.enqueue()
    dev_harness.deliver_due()
    response = client.get(f"/dev/mailbox/{mail_id}.eml")
    message = message_from_bytes(response.data, policy=default)

    assert response.mimetype == "message/rfc822"
    assert response.headers["Content-Disposition"] == f'attachment; filename="{mail_id}.eml"'
    assert (message["To"], message["Message-ID"]) == (GRACE_EMAIL, dev_harness.row(mail_id).message_id)
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
    assert dev_harness.code(mail_id) in response.text


@pytest.mark.parametrize(
    ("headers", "peer"),
    [({"Host": "auth.example.com"}, "127.0.0.1"), ({"Via": "1.1 proxy"}, "127.0.0.1"), ({}, "192.0.2.1")],
    ids=str,
)
def test_mailbox_actions_are_hidden_from_remote_clients(
    client: FlaskClient, mail_ids: list[int], headers: dict[str, str], peer: str
) -> None:
    for method, path in (
        ("DELETE", "/dev/mailbox"),
        ("DELETE", f"/dev/mailbox/{mail_ids[0]}"),
        ("GET", f"/dev/mailbox/{mail_ids[0]}.eml"),
    ):
        response = client.open(path, method=method, headers=headers, environ_base={"REMOTE_ADDR": peer})
        assert response.status_code in {403, 404}

    assert listed_ids(client) == mail_ids


@pytest.mark.parametrize("settings", [{}, {**DEVELOPMENT, "MAIL_SERVER": "127.0.0.1"}], ids=["production", "smtp"])
def test_mailbox_actions_are_disabled_when_smtp_is_used(make_harness: MakeHarness, settings: dict[str, str]) -> None:
    harness = make_harness(**settings)
    mail_id, client = harness.enqueue(), harness.app.test_client()
    harness.deliver_due()

    assert_not_found(client.get(f"/dev/mailbox/{mail_id}.eml", headers={"Host": "localhost"}))
    for path in ("/dev/mailbox", f"/dev/mailbox/{mail_id}"):
        assert_not_found(client.delete(path, headers={"Host": "localhost"}))
    assert harness.row(mail_id).state


def test_mailbox_page_has_search_delete_and_source(client: FlaskClient) -> None:
    page = client.get("/dev/mailbox").text

    for element in ('type="search" id="search"', 'id="delete"', 'id="delete-all"', 'id="tab-source"', 'id="download"'):
        assert element in page

"""H: email changes requested, confirmed or reverted by other users."""

from tests.email_change.helpers import RequestedChange, confirm_change, request_change
from tests.registration.helpers import WRONG_CODE, unused_ip
from tests.security.checks import AttackChecker
from tests.sessions.helpers import SessionClient
from tests.support.inspect import error_of
from tests.support.users import bearer, forwarded_for
from werkzeug.test import TestResponse

REAUTHENTICATION_REQUIRED, VALIDATION_FAILED, INVALID_CODE, INVALID_TOKEN = (
    (403, "reauthentication_required"),
    (422, "validation_failed"),
    (401, "invalid_code"),
    (401, "invalid_token"),
)
ADA, NEW_EMAIL, VICTIM = "ada@example.com", "ada@example.org", "victim@example.com"
EMAIL_CHANGE_TABLES = {"email_changes", "one_time_codes", "email_links", "outbox"}


def create_signed_in_user(checker: AttackChecker, email: str = ADA) -> SessionClient:
    return SessionClient(checker.client, checker.create_user(email).login_ok(unused_ip()))


def test_h01_email_change_with_stale_token_is_rejected(checker: AttackChecker) -> None:
    ada = create_signed_in_user(checker)
    ada.refresh()
    with checker.expect_only(hashes=0):
        for email in (NEW_EMAIL, VICTIM, ADA, "nonsense"):
            assert error_of(request_change(checker.client, ada.token, email, unused_ip())) == REAUTHENTICATION_REQUIRED
        for method, path in (("GET", "/users/export"), ("DELETE", "/users/account"), ("DELETE", "/auth/sessions")):
            response = checker.client.open(
                path, method=method, headers={**bearer(ada.token), **forwarded_for(unused_ip())}
            )
            assert error_of(response) == REAUTHENTICATION_REQUIRED, path


def test_h03_code_of_another_email_change_is_rejected(checker: AttackChecker) -> None:
    ada = create_signed_in_user(checker)
    first = RequestedChange.request(checker.app, ada, NEW_EMAIL, ADA)
    second = RequestedChange.request(checker.app, ada, VICTIM, ADA)
    eve = create_signed_in_user(checker, "eve@example.com")
    with checker.expect_only(hashes=0, events={"invalid_code"}):
        assert error_of(confirm_change(checker.client, ada.token, first.code, unused_ip())) == INVALID_CODE
        assert error_of(confirm_change(checker.client, eve.token, second.code, unused_ip())) == INVALID_CODE
    profile = checker.client.get("/users/profile", headers=bearer(ada.token))
    assert profile.get_json()["user"]["email"] == ADA


def test_h03_change_to_taken_email_prevents_enumeration(checker: AttackChecker) -> None:
    checker.create_user(VICTIM)
    responses = []
    for email, owner, mails in ((VICTIM, ADA, 1), ("unknown@example.com", "eve@example.com", 2)):
        session = create_signed_in_user(checker, owner)
        with checker.expect_only(EMAIL_CHANGE_TABLES, hashes=0, mails=mails, events={"email_change_requested"}):
            response = request_change(checker.client, session.token, email, unused_ip())
        responses.append(
            (response.status_code, response.get_json(), sorted(response.headers.keys()), response.content_length)
        )
    assert responses[0] == responses[1]
    assert [
        mail for mail in checker.mailbox.all() if mail["to"] == VICTIM and "/auth/revert-email-change" in mail["text"]
    ] == []


def test_h07_guessed_or_foreign_links_are_rejected(checker: AttackChecker) -> None:
    change = RequestedChange.request(checker.app, create_signed_in_user(checker), NEW_EMAIL, ADA)
    token = change.revert_link.token
    with checker.expect_only(hashes=0):
        for other in ("A" * 43, token[:-1], token + "A", token.swapcase(), f" {token}", "%", change.code, WRONG_CODE):
            for path in ("/auth/revert-email-change", "/auth/report-sign-in"):
                response = checker.client.post(path, json={"token": other}, headers=forwarded_for(unused_ip()))
                assert error_of(response) == INVALID_TOKEN, other
        assert error_of(checker.client.post("/auth/report-sign-in", json={"token": token})) == INVALID_TOKEN
        for path in ("/auth/revert-email-change", "/auth/report-sign-in"):  # as a mail scanner does
            for method in ("GET", "HEAD", "OPTIONS"):
                assert checker.client.open(f"{path}?token={token}", method=method).status_code == 200


def test_h07_reuse_of_revert_link_is_rejected(checker: AttackChecker) -> None:
    change = RequestedChange.request(checker.app, create_signed_in_user(checker), NEW_EMAIL, ADA)
    assert change.confirm().status_code == 200
    assert change.revert_link.follow(checker.client, unused_ip()).status_code == 200
    with checker.expect_only(hashes=0):
        responses: list[TestResponse] = [change.revert_link.follow(checker.client, unused_ip()) for _ in range(3)]
        assert {error_of(response) for response in responses} == {INVALID_TOKEN}

"""D: sign-in without the password, and user enumeration."""

from tests.login.helpers import LoginClient
from tests.registration.helpers import unused_ip
from tests.security.account_states import create_users_in_all_states, set_user_columns
from tests.security.checks import AttackChecker
from tests.support.inspect import error_of
from tests.support.users import PASSWORD, TestUser, bearer, forwarded_for
from werkzeug.test import TestResponse

INVALID_CREDENTIALS, TOO_MANY_REQUESTS, VALIDATION_FAILED = (
    (401, "invalid_credentials"),
    (429, "too_many_requests"),
    (422, "validation_failed"),
)
ADA = "ada@example.com"
LOGIN_TABLES = {"sessions", "devices", "users", "email_links", "outbox"}


def test_d01_failed_login_prevents_enumeration(checker: AttackChecker) -> None:
    emails = create_users_in_all_states(checker)

    def send(email: str, ip: str) -> TestResponse:
        return TestUser(checker.client, email).login("not the password", ip)

    with checker.expect_only(hashes=len(emails), events={"sign_in_failed"}):
        assert error_of(checker.assert_indistinguishable(send, *emails.values())) == INVALID_CREDENTIALS


def test_d01_login_lockout_prevents_enumeration(checker: AttackChecker) -> None:
    emails = create_users_in_all_states(checker)

    def send(email: str, ip: str) -> TestResponse:
        login_client = LoginClient(checker.app, email, ip)
        login_client.record_failures(5)
        return login_client.login()

    with checker.expect_only(hashes=len(emails), events={"sign_in_failed"}):
        assert error_of(checker.assert_indistinguishable(send, *emails.values())) == TOO_MANY_REQUESTS


def test_d05_right_password_of_inactive_account_is_rejected(checker: AttackChecker) -> None:
    emails = create_users_in_all_states(checker)
    with checker.expect_only(hashes=3, events={"sign_in_failed"}):
        for state in ("pending", "unverified", "disabled"):
            response = TestUser(checker.client, emails[state]).login(PASSWORD, unused_ip())
            assert error_of(response) == INVALID_CREDENTIALS
            assert "token" not in response.get_json()


def test_d15_sql_wildcards_in_login_email_match_no_user(checker: AttackChecker) -> None:
    checker.create_user(ADA)
    with checker.expect_only(hashes=4, events={"sign_in_failed"}):
        for email in ("%@example.com", "a_a@example.com", "ad%@example.com", "___@example.com"):
            assert error_of(TestUser(checker.client, email).login(at=unused_ip())) == INVALID_CREDENTIALS
    with checker.expect_only(hashes=0):
        for email in ("ada@example.co%", "' OR '1'='1", "ada@example.com' --", "*", "ada@example.com\\"):
            assert error_of(TestUser(checker.client, email).login(at=unused_ip())) == VALIDATION_FAILED


def test_d17_login_with_huge_password_is_not_hashed(checker: AttackChecker) -> None:
    user = checker.create_user(ADA)
    with checker.expect_only(hashes=0):
        for password, code in {"x" * 257: 422, "é" * 513: 422, "x" * 60_000: 422, "x" * 2**20: 413}.items():
            assert user.login(password, unused_ip()).status_code == code


def test_d17_login_with_non_text_password_is_invalid(checker: AttackChecker) -> None:
    with checker.expect_only(hashes=0):
        for password in (None, True, 0, 1.5, [], {}, [PASSWORD], {"$ne": ""}, ""):
            body = {"email": ADA, "password": password}
            response = checker.client.post("/auth/login", json=body, headers=forwarded_for(unused_ip()))
            assert error_of(response) == VALIDATION_FAILED, password


def test_d19_session_fixation_on_login_fails(checker: AttackChecker) -> None:
    user = checker.create_user(ADA)
    attacker_tokens = user.login_ok(unused_ip())
    attacker_session = attacker_tokens["refresh_token"].partition(".")[0]
    headers = {
        "Cookie": f"session={attacker_session}; sid={attacker_session}",
        "X-Session-Id": attacker_session,
        **bearer(attacker_tokens["token"]),
    }
    with checker.expect_only(LOGIN_TABLES, hashes=1, mails=1, events={"sign_in"}):
        response = checker.client.post(
            "/auth/login?sid=" + attacker_session,
            json={"email": ADA, "password": PASSWORD, "device_token": "forged" * 6},
            headers={**headers, **forwarded_for(unused_ip())},
        )
        assert response.get_json()["refresh_token"].partition(".")[0] != attacker_session
        assert response.get_json()["device_token"] != "forged" * 6
    with checker.expect_only(hashes=0):
        for name in ("sid", "session_id", "session", "id"):
            body = {"email": ADA, "password": PASSWORD, name: attacker_session}
            assert (
                error_of(checker.client.post("/auth/login", json=body, headers=forwarded_for(unused_ip())))
                == VALIDATION_FAILED
            )


def test_d25_login_with_unreadable_password_hash_fails(checker: AttackChecker) -> None:
    user = checker.create_user(ADA)
    unreadable_hashes = (
        "",
        "x",
        PASSWORD,
        "plain$" + PASSWORD,
        "$argon2id$",
        "$argon2id$v=19$m=99999999,t=1,p=1$AAAA$AAAA",
        "pbkdf2:x",
        "!",
        "\x00",
        None,
    )
    for password_hash in unreadable_hashes:
        set_user_columns(checker, ADA, password_hash=password_hash)
        with checker.expect_only(hashes=1, events={"sign_in_failed"}):
            assert error_of(user.login(PASSWORD, unused_ip())) == INVALID_CREDENTIALS, password_hash

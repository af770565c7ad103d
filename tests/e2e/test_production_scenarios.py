"""The documented production setup with MariaDB, Redis, Celery and SMTP over STARTTLS: scenarios and bursts."""

import base64
import json
import os
import signal
from collections import Counter
from datetime import timedelta
from functools import partial

import pyotp
import pytest
from redis import Redis
from sqlalchemy import text
from tests.e2e import leaks
from tests.e2e.conftest import NewUser
from tests.e2e.installation import Installation
from tests.e2e.scenario import UserScenario
from tests.support.inspect import run_concurrently

from flaskauth.core import clock

WRONG_CODES = [f"BCDF-{letter}{other}22" for letter in "BCDFGH" for other in "JKMNP"]


def test_full_scenario_leaves_no_secret_in_storage(installation: Installation, new_user: NewUser) -> None:
    user = new_user()
    user.register()
    user.read_code()
    assert not leaks.find_leaks(user.secrets | installation.server_secrets(), installation.dump_all())

    user.verify()
    user.login()
    user.edit_profile()
    user.refresh()
    user.revoke_other_sessions()
    dump = installation.dump_all()
    assert not leaks.find_leaks(user.secrets | installation.server_secrets(), dump)
    assert not leaks.find_email_addresses(
        {where: contents for where, contents in dump.items() if where.startswith("file")}
    )

    user.logout()


def test_forgot_password_reset_sends_a_notification(installation: Installation, new_user: NewUser) -> None:
    user = new_user()
    user.register_and_verify()
    user.login()
    user.request_password_reset()
    code = installation.wait_for_code(user.email, "Reset your password")
    user.secrets.add(code)
    assert not leaks.find_leaks(user.secrets | installation.server_secrets(), installation.dump_all())

    user.reset_password(code)
    installation.wait_for_mail(user.email, subject="was changed")
    user.change_password_back()
    assert not leaks.find_leaks(user.secrets | installation.server_secrets(), installation.dump_all())


def test_second_factors_leave_no_secret_in_storage(installation: Installation, new_user: NewUser) -> None:
    user = new_user()
    user.register_and_verify()
    user.login()
    user.add_second_factor()
    next_step = clock.now() + timedelta(seconds=30)  # the code of this one was used
    user.login_with_factor(otp=pyotp.TOTP(user.totp_secret).at(next_step))
    user.login_with_factor(recovery_code=user.recovery_codes[0], remember_device=True)
    user.device_token = ""
    user.lose_factor()
    user.confirm_lost_factor(installation.wait_for_code(user.email, "Remove your second factors"))
    path, token = installation.wait_for_link(user.email, "will be removed")
    user.secrets.add(token)
    assert not leaks.find_leaks(user.secrets | installation.server_secrets(), installation.dump_all())

    user.client.post(path, {"token": token}).expect()


def test_email_change_is_reverted_by_link(installation: Installation, new_user: NewUser) -> None:
    user = new_user()
    user.register_and_verify()
    user.login()
    old, new = user.email, f"new-{user.email}"
    user.request_email_change(new)
    code, (path, token) = installation.wait_for_code(new), installation.wait_for_link(old, "Request to change")
    user.secrets |= {code, token}
    assert not leaks.find_leaks(user.secrets | installation.server_secrets(), installation.dump_all())

    user.confirm_email_change(code, new)
    assert installation.wait_for_link(old, "Your email address on") == (path, token)
    user.email = new
    user.follow_security_link(path, token)
    user.email = old
    user.request_password_reset()
    user.reset_password(installation.wait_for_code(old, "Reset your password"))
    installation.wait_for_mail(old, subject="was secured")
    assert not leaks.find_leaks(user.secrets | installation.server_secrets(), installation.dump_all())


def test_new_sign_in_is_reported_by_link(installation: Installation, new_user: NewUser) -> None:
    user, attacker = new_user(), new_user()
    user.register_and_verify()
    user.login()
    attacker.email = user.email
    attacker.login()
    path, token = installation.wait_for_link(user.email, "New sign-in")
    attacker.follow_security_link(path, token)
    user.client.get("/users/profile", user.token).expect(401)
    assert not leaks.find_leaks({token} | installation.server_secrets(), installation.dump_all())


def test_account_deletion_is_cancelled(installation: Installation, new_user: NewUser) -> None:
    user = new_user()
    user.register_and_verify()
    user.login()
    user.delete_and_restore_account()
    installation.wait_for_mail(user.email, subject="will be deleted")
    installation.wait_for_mail(user.email, subject="will not be deleted")


def test_leak_scanner_finds_secrets_in_any_encoding(installation: Installation, new_user: NewUser) -> None:
    user = new_user()
    user.register_and_verify()
    user.login()
    code, mac = user.read_code(), user.refresh_token.rpartition(".")[2]
    log = installation.workspace.folder / "scratch.log"
    log.write_text(f"From: grace@example.com\n{installation.secret}\n")
    with Redis.from_url(installation.redis.url) as redis, installation.engine.connect() as connection:
        redis.rpush("scratch", b'{"body": "%s"}' % base64.b64encode(f'[["{user.device_token}"]]'.encode()))
        connection.execute(text("CREATE TABLE scratch (code VARCHAR(99), mac VARBINARY(99))"))
        row = {"code": code.replace("-", "").encode().hex(), "mac": base64.urlsafe_b64decode(mac + "=")}
        connection.execute(text("INSERT INTO scratch VALUES (:code, :mac)"), row)
        connection.commit()
        dump = installation.dump_all()
        connection.execute(text("DROP TABLE scratch"))
        redis.delete("scratch")
    log.unlink()

    assert leaks.find_leaks(user.secrets | installation.server_secrets(), dump) == {
        f"{code!r} in table scratch",
        f"{user.refresh_token!r} in table scratch",
        f"{user.device_token!r} in key b'scratch'",
        f"{installation.secret!r} in file scratch.log",
    }
    assert leaks.find_email_addresses({"log": dump["file scratch.log"]}) == {b"grace@example.com"}


def test_server_logs_one_line_at_start(installation: Installation) -> None:
    lines = [json.loads(line) for line in installation.server.output.splitlines()]
    [line] = [line for line in lines if line["event"] == "started"]

    assert {name: line[name] for name in ("listen", "workers", "database", "level")} == {
        "listen": f"127.0.0.1:{installation.port}",
        "workers": 2,
        "database": "mysql",
        "level": "info",
    }
    assert line["version"]


def test_worker_logs_no_periodic_tasks(installation: Installation) -> None:
    """The mail sweep alone would write 86,000 lines a day."""
    installation.worker.wait_for_output("worker_started")

    assert "mail.sweep[" not in installation.worker.output
    assert "Scheduler: Sending" not in installation.worker.output


def test_connections_reach_both_server_processes(installation: Installation, new_user: NewUser) -> None:
    before = installation.server.open_socket_counts()

    _open_connections([new_user() for _ in range(24)])

    after = installation.server.open_socket_counts()
    assert [after[pid] > before[pid] for pid in before] == [True, True]


def test_killed_server_process_is_replaced(installation: Installation, new_user: NewUser) -> None:
    before = installation.server.children()
    os.kill(before[0], signal.SIGKILL)

    installation.server.wait_until(lambda: len({*installation.server.children()} - {*before}) == 1)
    users = [new_user() for _ in range(8)]
    run_concurrently([user.register_and_verify for user in users])


@pytest.mark.parametrize("identifier", ["verification_id", "email", "code only"])
def test_concurrent_otp_verify_succeeds_once(new_user: NewUser, identifier: str) -> None:
    user = new_user()
    user.register()
    identifiers = {"verification_id": user.verification_id, "email": user.email}
    body = {"otp": user.read_code(), **{name: value for name, value in identifiers.items() if name == identifier}}

    clients = _open_connections([new_user() for _ in range(24)])
    responses = run_concurrently([partial(other.client.post, "/auth/verify", body) for other in clients])

    statuses = Counter(response.status for response in responses)
    assert statuses[200] == 1
    assert set(statuses) <= {200, 401, 429}
    user.login()


def test_concurrent_refresh_returns_one_successor(new_user: NewUser) -> None:
    user = new_user()
    user.register_and_verify()
    user.login()
    body = {"refresh_token": user.refresh_token}

    clients = _open_connections([new_user() for _ in range(24)])
    responses = run_concurrently([partial(other.client.post_with_retries, "/auth/refresh", body) for other in clients])

    successors = {response.expect()["refresh_token"] for response in responses}
    assert len(successors) == 1
    user.refresh_token = successors.pop()
    user.refresh()


def test_otp_guess_burst_exhausts_only_verification_by_id(new_user: NewUser) -> None:
    user, attacker = new_user(), new_user()
    user.register()
    code = user.read_code()
    guesses = [{"otp": guess, "verification_id": user.verification_id} for guess in WRONG_CODES if guess != code]

    clients = _open_connections([new_user() for _ in guesses])
    responses = run_concurrently(
        [partial(other.client.post, "/auth/verify", body) for other, body in zip(clients, guesses, strict=True)]
    )

    assert Counter(response.status for response in responses) == {401: 5, 429: len(guesses) - 5}
    by_id = {"otp": code, "verification_id": user.verification_id}
    assert user.client.post("/auth/verify", by_id).expect(429)["code"] == "too_many_requests"
    assert attacker.client.post("/auth/verify", {"otp": code, "email": user.email}).expect()["success"] is True


def test_wrong_password_flood_does_not_lock_out_the_owner(new_user: NewUser) -> None:
    owner = new_user()
    owner.register_and_verify()
    owner.login()

    clients = _open_connections([new_user() for _ in range(100)])
    for attacker in clients:
        attacker.email = owner.email
    responses = run_concurrently([partial(attacker.attempt_login, "not the password") for attacker in clients])

    statuses = Counter(response.status for response in responses)
    assert set(statuses) <= {401, 429, 503}  # 503: more concurrent hashes than the CPUs can do in time
    # A slow machine rejects so many requests without counting them that some of the ten attempts may remain.
    later = [attacker.attempt_login("nor this").status for attacker in clients[:11]]
    assert statuses[401] + later.count(401) <= 10
    assert set(later) <= {401, 429}
    assert later[-1] == 429
    owner.client = new_user().client
    owner.login()


def _open_connections(clients: list[UserScenario]) -> list[UserScenario]:
    """Open the connection of every client, so that the requests arrive together."""
    for user in clients:
        user.client.get("/health/live").expect()
    return clients

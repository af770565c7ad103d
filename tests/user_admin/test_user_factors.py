"""`flaskauth users factors`, `reset-factors`, `require-mfa`, and `flaskauth factors report`."""

import json
import re
import shlex
from operator import itemgetter
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import insert, select, update
from tests.docs.code_blocks import block
from tests.email_change.helpers import find_link
from tests.mfa.helpers import MfaUser, set_wrong_codes
from tests.passkeys.client import PasskeyUser
from tests.passwords.helpers import NEW_PASSWORD, request_reset, reset_password
from tests.registration.helpers import GRACE_EMAIL
from tests.support.db_snapshot import wait_for_outbox
from tests.support.inspect import audit_events, error_of, execute_statement, query_all, reject_mails_to, single_event
from tests.support.users import Mailbox, UserFactory, bearer
from tests.user_admin.helpers import AdminCLI

from flaskauth.accounts.models import User
from flaskauth.core import clock
from flaskauth.mfa import totp
from flaskauth.mfa.models import FactorReset, RecoveryCode, TotpFactor
from flaskauth.one_time_codes import links
from flaskauth.sessions.models import Session


def overview(admin_cli: AdminCLI) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(admin_cli.run("factors", GRACE_EMAIL, "--json").stdout)
    return result


def report(admin_cli: AdminCLI) -> dict[str, int]:
    result: dict[str, int] = json.loads(admin_cli.run("report", "--json", group="factors").stdout)
    return result


def test_users_factors_shows_names_and_no_secret(app: Flask, admin_cli: AdminCLI) -> None:
    user = MfaUser.create(app)
    table = admin_cli.run("factors", GRACE_EMAIL).stdout
    summary = overview(admin_cli)

    assert ("Phone" in table, "MFA" in table) == (True, True)
    assert summary["totp"][0].keys() == {"id", "name", "created_at", "last_used_at"}
    assert (summary["mfa_enabled"], summary["required"], summary["recovery_codes_left"]) == (True, False, 10)
    for secret in (user.secret, *user.recovery_codes):
        assert secret not in table + json.dumps(summary)


def test_reset_factors_requires_a_password_reset(app: Flask, admin_cli: AdminCLI) -> None:
    """The codes of a new app are compared, even after 100 wrong ones of the lost app."""
    user = MfaUser.create(app)
    set_wrong_codes(app, GRACE_EMAIL, 100)
    assert admin_cli.run("reset-factors", GRACE_EMAIL, "--reason", "lost phone").exit_code == 0

    assert single_event(app, "factor_reset_done").details == {"reason": "lost phone"}
    assert query_all(app, select(Session).where(Session.revoked_at.is_(None))) == []
    assert overview(admin_cli)["totp"] == []
    assert user.login().status_code == 401
    users = UserFactory(app)
    reset = request_reset(users)
    assert reset_password(users.client, reset.code, reset_id=reset.id).status_code == 200
    user.token = user.login(NEW_PASSWORD).get_json()["token"]
    user.enrol()
    assert user.send_factor(user.login(NEW_PASSWORD).get_json()["challenge_token"]).status_code == 200


def test_reset_factors_is_not_undone_by_links(app: Flask, admin_cli: AdminCLI) -> None:
    """An attacker has stolen the mailbox and the phone. The user removed one of the apps before."""
    user = MfaUser.create(app)
    stolen = user.factor_id
    clock.travel(links.LIFETIME)
    user.sign_in()
    user.enrol("Tablet")
    assert user.call("DELETE", f"/totp/{stolen}").status_code == 200
    admin_cli.run("reset-factors", GRACE_EMAIL, "--reason", "stolen phone")
    wait_for_outbox(app)
    mails = Mailbox(app).wait(3)[:3]
    assert "An operator" in mails[0]["text"]
    statuses = [find_link(mail).follow(user.client).status_code for mail in mails]

    assert statuses == [200] * 3
    assert (overview(admin_cli)["totp"], overview(admin_cli)["recovery_codes_left"]) == ([], 0)
    assert audit_events(app, "factors_restored") == []


def test_reset_factors_deletes_removed_last_factor(app: Flask, admin_cli: AdminCLI) -> None:
    """The user has removed the stolen phone. A link of a mail about it must not restore it."""
    user = MfaUser.create(app)
    clock.travel(links.LIFETIME)
    user.sign_in()
    assert user.call("DELETE", f"/totp/{user.factor_id}").status_code == 200
    assert admin_cli.run("reset-factors", GRACE_EMAIL, "--reason", "stolen phone").exit_code == 0

    assert query_all(app, select(TotpFactor)) == query_all(app, select(RecoveryCode)) == []
    assert single_event(app, "factor_reset_done").user_id is not None


def test_reset_factors_of_user_without_factors_changes_nothing(admin_cli: AdminCLI, users: UserFactory) -> None:
    grace = users.create_verified()
    result = admin_cli.run("reset-factors", GRACE_EMAIL, "--reason", "none", "--json")

    assert json.loads(result.stdout) == {"users": 0}
    assert grace.login().status_code == 200


def test_reset_undecryptable_factors_keeps_the_others(app: Flask, admin_cli: AdminCLI) -> None:
    MfaUser.create(app, "ada@example.com")
    [ada_factor] = query_all(app, select(TotpFactor.id))
    MfaUser.create(app)
    execute_statement(app, update(TotpFactor).where(TotpFactor.id == ada_factor).values(encrypted_secret=b"?" * 60))
    assert report(admin_cli)["undecryptable_secrets"] == 1
    result = admin_cli.run("reset-factors", "--undecryptable", "--reason", "lost key", "--json")

    assert json.loads(result.stdout) == {"users": 1}
    assert ada_factor not in query_all(app, select(TotpFactor.id))
    assert len(query_all(app, select(TotpFactor.id))) == 1
    assert len(query_all(app, select(RecoveryCode).where(RecoveryCode.removed_at.is_(None)))) == 10


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)  # the trigger is SQLite's
def test_reset_undecryptable_factors_continues_after_failure(app: Flask, admin_cli: AdminCLI) -> None:
    for email in ("ada@example.com", GRACE_EMAIL):
        MfaUser.create(app, email)
    execute_statement(app, update(TotpFactor).values(encrypted_secret=b"?" * 60))
    with app.app_context():
        first_id, _ = totp.undecryptable_user_ids()
    [first_email] = query_all(app, select(User.email).where(User.id == first_id))
    options = ("reset-factors", "--undecryptable", "--reason", "lost key", "--json")

    with reject_mails_to(app, first_email):
        assert admin_cli.run(*options).exit_code == 1
    assert query_all(app, select(TotpFactor.user_id)) == [first_id]
    assert json.loads(admin_cli.run(*options).stdout) == {"users": 1}


@pytest.mark.parametrize("reason", ["", " "])
def test_reset_factors_with_empty_reason_is_rejected(app: Flask, admin_cli: AdminCLI, reason: str) -> None:
    MfaUser.create(app)

    assert admin_cli.run("reset-factors", GRACE_EMAIL, "--reason", reason).exit_code == 2
    assert overview(admin_cli)["mfa_enabled"] is True


def test_users_factors_names_security_keys(app: Flask, users: UserFactory, admin_cli: AdminCLI) -> None:
    user = PasskeyUser.sign_in(users.create_verified())
    user.add()
    user.add(kind="security_key")
    kinds = re.findall(r"^ *(passkey|security key) ", admin_cli.run("factors", GRACE_EMAIL).stdout, re.MULTILINE)

    assert kinds == ["passkey", "security key"]
    assert [passkey["can_sign_in"] for passkey in overview(admin_cli)["passkeys"]] == [True, False]


def test_users_factors_shows_when_a_reset_is_due(app: Flask, admin_cli: AdminCLI) -> None:
    MfaUser.create(app)
    assert overview(admin_cli)["reset_due_at"] is None
    [user_id] = query_all(app, select(User.id))
    due_at = clock.now()
    reset = {"link_id": bytes(16), "network": "198.51.100.0", "requested_at": due_at, "due_at": due_at}
    execute_statement(app, insert(FactorReset).values(user_id=user_id, **reset))

    assert overview(admin_cli)["reset_due_at"] == clock.to_rfc3339(due_at)
    assert clock.to_rfc3339(due_at) in admin_cli.run("factors", GRACE_EMAIL).stdout


def test_factors_list_names_the_users_with_factors(app: Flask, users: UserFactory, admin_cli: AdminCLI) -> None:
    users.create_verified("linus@example.com")
    PasskeyUser.sign_in(users.create_verified("ada@example.com")).add()
    MfaUser.create(app)
    counts = {"mfa_enabled": True, "authenticator_apps": 1, "passkeys": 0}

    listed = json.loads(admin_cli.run("list", "--json", group="factors").stdout)
    assert sorted(listed, key=itemgetter("email")) == [
        {"email": "ada@example.com", "mfa_enabled": False, "authenticator_apps": 0, "passkeys": 1},
        {"email": GRACE_EMAIL, **counts},
    ]
    assert GRACE_EMAIL in admin_cli.run("list", group="factors").stdout


def test_factors_that_are_off_are_reported_with_advice(app: Flask, users: UserFactory, admin_cli: AdminCLI) -> None:
    PasskeyUser.sign_in(users.create_verified("ada@example.com")).add()
    MfaUser.create(app)
    result = admin_cli.run("report", group="factors", SECOND_FACTOR="off")

    assert result.reported_count("All users with a second factor") == 2
    assert "flaskauth users reset-factors" in " ".join(result.stdout.split())
    assert "SECOND_FACTOR is off" not in admin_cli.run("report", group="factors").stdout
    findings = json.loads(admin_cli.run("--json", group="doctor", SECOND_FACTOR="off").stdout)["findings"]
    [finding] = [finding for finding in findings if finding["check"] == "factor-policy"]
    assert finding["state"] == "failed"
    assert "2 users have second factors" in finding["found"]
    assert "flaskauth factors list" in finding["advice"]


@pytest.mark.parametrize("arguments", [[], [GRACE_EMAIL, "--undecryptable"]])
def test_reset_factors_needs_one_selection(admin_cli: AdminCLI, arguments: list[str]) -> None:
    assert admin_cli.run("reset-factors", *arguments, "--reason", "?").exit_code == 2


def test_require_mfa_applies_to_the_next_request(app: Flask, admin_cli: AdminCLI, users: UserFactory) -> None:
    token = bearer(users.create_verified().login_ok()["token"])
    assert json.loads(admin_cli.run("require-mfa", GRACE_EMAIL, "on", "--json").stdout) == {"changed": True}
    assert single_event(app, "mfa_requirement_changed").details == {"required": "yes"}
    response = users.client.post("/users/edit", json={"locale": "fr"}, headers=token)
    assert error_of(response) == (403, "mfa_enrolment_required")
    counts = report(admin_cli)
    assert (counts["users"], counts["users_with_mfa"], counts["users_who_must_enrol"]) == (1, 0, 1)

    admin_cli.run("require-mfa", GRACE_EMAIL, "off")
    assert users.client.post("/users/edit", json={"locale": "fr"}, headers=token).status_code == 200
    assert json.loads(admin_cli.run("require-mfa", GRACE_EMAIL, "off", "--json").stdout) == {"changed": False}


def test_commands_of_the_guides_work(app: Flask, admin_cli: AdminCLI) -> None:
    MfaUser.create(app)
    guides = (
        block("docs/how-to/recover-lost-factors.md", "factors"),
        block("docs/how-to/recover-lost-factors.md", "reset"),
        block("docs/how-to/recover-lost-factors.md", "undecryptable"),
        block("docs/how-to/require-second-factors.md", "report"),
        block("docs/how-to/require-second-factors.md", "list"),
        block("docs/how-to/require-second-factors.md", "one"),
    )
    results = [admin_cli.run(*words[2:], group=words[1]) for words in map(shlex.split, guides)]

    assert [result.exit_code for result in results] == [0] * 6, results
    assert "Users whose second factors were removed: 1." in results[1].stdout

"""Parallel requests to two server processes: a revocation wins over concurrent refreshes, logins and edits."""

from collections.abc import Callable

import pytest
from sqlalchemy import select, update
from tests.account_deletion.helpers import orphaned_rows
from tests.concurrency.conftest import Rounds
from tests.concurrency.parallel_requests import OVERLOADED, PreparedRequest, prepare_post, statuses
from tests.concurrency.servers import ServerPair, SignedInUser
from tests.passwords.helpers import NEW_PASSWORD
from tests.support.inspect import execute_statement

from flaskauth.account_deletion import erasure
from flaskauth.accounts.models import User
from flaskauth.core import clock
from flaskauth.core.db.session import transaction
from flaskauth.core.email_addresses import parse
from flaskauth.one_time_codes import links
from flaskauth.one_time_codes.models import EmailLink
from flaskauth.sessions.models import Session
from flaskauth.user_admin import service as user_admin

Revocation = tuple[list[PreparedRequest], list[Callable[[], object]]]


def prepare_logout(server_pair: ServerPair, user: SignedInUser) -> Revocation:
    return [
        prepare_post("/auth/logout", {"refresh_token": user.tokens.refresh_token}),
        user.prepare_post("/auth/logout"),
    ], []


def prepare_reset(server_pair: ServerPair, user: SignedInUser) -> Revocation:
    reset_id = server_pair.send_until_served(prepare_post("/auth/forgot-password", {"email": user.email}))["reset_id"]
    body = {"otp": server_pair.current_code(reset_id), "reset_id": reset_id, "password": NEW_PASSWORD}
    return [prepare_post("/auth/reset-password", body)], []


def prepare_disable(server_pair: ServerPair, user: SignedInUser) -> Revocation:
    return [], [lambda: transaction(lambda: user_admin.disable(parse(user.email)))]


def prepare_deletion(server_pair: ServerPair, user: SignedInUser) -> Revocation:
    return [PreparedRequest("DELETE", "/users/account", token=user.tokens.token)] * 2, []


def prepare_email_revert(server_pair: ServerPair, user: SignedInUser) -> Revocation:
    server_pair.send_until_served(user.prepare_post("/users/email", {"email": f"new-{user.email}"}))
    return prepare_link_use(server_pair, user)


def prepare_sign_in_report(server_pair: ServerPair, user: SignedInUser) -> Revocation:
    server_pair.run_as_request(lambda: issue_report_link(user))
    return prepare_link_use(server_pair, user)


def issue_report_link(user: SignedInUser) -> None:
    links.issue(
        links.REPORT_SIGN_IN,
        user.user_id,
        email=user.email,
        normalized_email=user.email,
        session_id=user.session_id,
    )


def prepare_link_use(server_pair: ServerPair, user: SignedInUser) -> Revocation:
    """Return two uses of the user's link."""
    [link_id] = server_pair.rows(select(EmailLink.id).where(EmailLink.user_id == user.user_id))
    path, _, token = server_pair.run_as_request(lambda: links.past_url(link_id)).partition("/auth/")[2].partition("#")
    return [prepare_post(f"/auth/{path}", {"token": token})] * 2, []


# Fewer rounds for a reset, which hashes a password.
REVOCATIONS = [
    (prepare_logout, 20),
    (prepare_reset, 5),
    (prepare_disable, 20),
    (prepare_deletion, 20),
    (prepare_email_revert, 20),
    (prepare_sign_in_report, 20),
]


@pytest.mark.parametrize(("prepare", "default_rounds"), REVOCATIONS)
def test_revocation_wins_over_parallel_refresh(
    server_pair: ServerPair,
    rounds: Rounds,
    prepare: Callable[[ServerPair, SignedInUser], Revocation],
    default_rounds: int,
) -> None:
    for _ in rounds(default_rounds):
        user = server_pair.create_user()
        requests, functions = prepare(server_pair, user)
        responses = server_pair.send_parallel(
            [*[user.prepare_refresh()] * 3, *requests, *[user.prepare_refresh()] * 3], *functions
        )

        assert set(statuses(responses)) <= {200, 401, OVERLOADED}
        for request in requests[:1]:
            server_pair.send(request)  # again, in case it was rejected with 503
        assert server_pair.count_active_sessions(user.user_id) == 0
        assert server_pair.still_accepted(user, responses) == []


def test_parallel_refresh_rotates_the_token_once(server_pair: ServerPair, rounds: Rounds) -> None:
    for _ in rounds(20):
        user = server_pair.create_user()
        responses = server_pair.send_parallel([user.prepare_refresh()] * 24)

        refresh_tokens = [response.body["refresh_token"] for response in responses if response.status == 200]
        assert set(statuses(responses)) <= {200, OVERLOADED}
        assert len(set(refresh_tokens)) == 1
        assert list(server_pair.rows(select(Session.generation).where(Session.id == user.session_id))) == [2]


def test_account_deletion_wins_over_parallel_requests(server_pair: ServerPair, rounds: Rounds) -> None:
    """The account is deleted, then erased, while its owner signs in, refreshes and edits."""
    for _ in rounds(4):
        user = server_pair.create_user()
        edit = user.prepare_post("/users/edit", {"first_name": "Amazing"})
        deletion = prepare_deletion(server_pair, user)[0][0]
        first_responses = server_pair.send_parallel(
            [user.prepare_login(), user.prepare_refresh(), edit, deletion, user.prepare_refresh()]
        )
        server_pair.send(deletion)  # again, in case it was rejected with 503
        assert server_pair.still_accepted(user, [first_responses[1], first_responses[4]]) == []

        execute_statement(
            server_pair.app, update(User).where(User.id == user.user_id).values(deletion_due_at=clock.now())
        )
        later_responses = server_pair.send_parallel(
            [user.prepare_login(), user.prepare_login()], erase_due_accounts, erase_due_accounts
        )
        server_pair.run_in_process(erase_due_accounts)
        assert server_pair.still_accepted(user, [*first_responses, *later_responses]) == []
        assert (server_pair.count_active_sessions(user.user_id), orphaned_rows(server_pair.app)) == (0, {})


def erase_due_accounts() -> int:
    return transaction(erasure.purge)

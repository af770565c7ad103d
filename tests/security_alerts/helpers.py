"""A user with open sessions, and every action that revokes them."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from flask import Flask
from tests.email_change.helpers import RequestedChange, find_link
from tests.login.helpers import unseen_ip
from tests.passwords.helpers import change_password, request_reset, reset_password
from tests.registration.helpers import GRACE_EMAIL
from tests.sessions.helpers import SessionClient
from tests.support.db_snapshot import wait_for_outbox
from tests.support.inspect import in_transaction
from tests.support.users import PASSWORD, UserFactory, bearer
from werkzeug import Response

from flaskauth.core.email_addresses import parse
from flaskauth.user_admin import service as user_admin

Action = Callable[[], Response]
COMMAND_DONE = Response(status=200)  # stands for the successful command of an operator


@dataclass
class ActiveAccount:
    """A user with two sessions, a recognised device and pending codes."""

    app: Flask
    users: UserFactory
    own_session: SessionClient
    other_session: SessionClient
    email: str = GRACE_EMAIL

    def prepare_reset(self) -> Action:
        reset = request_reset(self.users, at=unseen_ip())
        return partial(reset_password, self.app.test_client(), reset.code, reset_id=reset.id)

    def prepare_password_change(self) -> Action:
        return partial(change_password, self.app.test_client(), self.own_session.token, PASSWORD)

    def prepare_email_revert(self) -> Action:
        self.own_session = self.other_session
        return partial(
            RequestedChange.request(self.app, self.other_session, "mallory@example.net").revert_link.follow,
            self.app.test_client(),
        )

    def prepare_sign_in_report(self) -> Action:
        wait_for_outbox(self.app)
        mail = next(mail for mail in self.users.mailbox.all() if "/auth/report-sign-in#" in mail["text"])
        return partial(find_link(mail).follow, self.app.test_client())

    def prepare_deletion(self) -> Action:
        return partial(self.app.test_client().delete, "/users/account", headers=bearer(self.own_session.token))

    def prepare_disable(self) -> Action:
        return partial(in_transaction, self.app, self._disable_user)

    def _disable_user(self) -> Response:
        assert user_admin.disable(parse(self.email))
        return COMMAND_DONE


REVOCATIONS: dict[str, Callable[[ActiveAccount], Action]] = {
    "reset": ActiveAccount.prepare_reset,
    "change": ActiveAccount.prepare_password_change,
    "revert email change": ActiveAccount.prepare_email_revert,
    "report sign-in": ActiveAccount.prepare_sign_in_report,
    "delete account": ActiveAccount.prepare_deletion,
    "disable": ActiveAccount.prepare_disable,
}

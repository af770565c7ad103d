"""`flaskauth users`: show, disable, enable, import and export users."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import click

from flaskauth.cli import import_export, output
from flaskauth.core import email_addresses
from flaskauth.core.clock import to_rfc3339
from flaskauth.core.db.session import transaction
from flaskauth.core.email_addresses import EmailAddress, InvalidEmail
from flaskauth.user_admin import service
from flaskauth.user_admin.service import UserNotFound, UserSummary

T = TypeVar("T")


class EmailType(click.ParamType[EmailAddress]):
    """An email address."""

    name = "email"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> EmailAddress:
        try:
            return email_addresses.parse(value)
        except InvalidEmail:
            self.fail("Not a valid email address.", param, ctx)


email_argument = click.argument("email", metavar="EMAIL", type=EmailType())


@click.group()
def users() -> None:
    """Manage users."""


users.add_command(import_export.import_)
users.add_command(import_export.export)


@users.command()
@email_argument
def show(email: EmailAddress) -> None:
    """Show a user and their active sessions, without the hash."""
    with _handle_user_not_found(), output.load_app(logging.WARNING).app_context():
        rows = transaction(lambda: _format_summary(service.get_summary(email)))
    output.print_table(("Field", "Value"), rows)


@users.command()
@email_argument
def disable(email: EmailAddress) -> None:
    """Disable a user: revoke sessions, block sign-in and reset."""
    was_enabled = _run_for_user(lambda: service.disable(email))
    click.echo(
        "The user is disabled and all sessions are revoked." if was_enabled else "The user was already disabled."
    )


@users.command()
@email_argument
def enable(email: EmailAddress) -> None:
    """Enable a disabled user. A new sign-in is required."""
    was_disabled = _run_for_user(lambda: service.enable(email))
    click.echo("The user can sign in again." if was_disabled else "The user was not disabled.")


def _format_summary(summary: UserSummary) -> list[tuple[str, str]]:
    user = summary.user
    return [
        ("ID", str(user.id)),
        ("Email", user.email),
        ("Verified", "yes" if user.is_verified else "no: the user must reset the password"),
        ("Disabled", f"since {to_rfc3339(user.disabled_at)}" if user.disabled_at else "no"),
        ("Deletion", f"due at {to_rfc3339(user.deletion_due_at)}" if user.deletion_due_at else "no"),
        ("Created", to_rfc3339(user.created_at)),
        ("Last sign-in", to_rfc3339(user.last_login_at) if user.last_login_at else "never"),
        ("Active sessions", str(summary.sessions)),
        ("Password", summary.hash_scheme),
    ]


def _run_for_user(work: Callable[[], T]) -> T:
    with _handle_user_not_found(), output.load_app(logging.WARNING).app_context():
        return transaction(work)


@contextmanager
def _handle_user_not_found() -> Iterator[None]:
    try:
        yield
    except UserNotFound:
        raise click.ClickException("No user has this email address.") from None

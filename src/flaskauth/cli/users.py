"""`flaskauth users`: create, list, show, change, delete, import and export users."""

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, TypeVar

import click
from marshmallow import ValidationError

from flaskauth.account_deletion import erasure
from flaskauth.account_deletion import service as account_deletion
from flaskauth.accounts import service as accounts
from flaskauth.accounts.models import User
from flaskauth.accounts.password_policy import WeakPassword
from flaskauth.accounts.schemas import NewPasswordField
from flaskauth.cli import import_export, output
from flaskauth.core import email_addresses
from flaskauth.core.clock import to_rfc3339
from flaskauth.core.db.session import transaction
from flaskauth.core.email_addresses import EmailAddress, InvalidEmail
from flaskauth.core.errors import ValidationFailed
from flaskauth.mfa.factors import FactorOverview
from flaskauth.mfa.models import Passkey, TotpFactor
from flaskauth.passwords import service as passwords
from flaskauth.registration import service as registration
from flaskauth.registration.schemas import RegisterRequest
from flaskauth.registration.service import EmailTaken
from flaskauth.user_admin import second_factors, service
from flaskauth.user_admin.service import UserNotFound, UserSummary

T = TypeVar("T")

TIMES = ("created_at", "last_login_at", "disabled_at", "deletion_due_at")
COLUMNS = {"id": "ID", "email": "Email", "is_verified": "Verified", "created_at": "Created", "disabled_at": "Disabled"}
DETAILS = {
    **COLUMNS,
    "first_name": "First name",
    "last_name": "Last name",
    "deletion_due_at": "Deletion due",
    "last_login_at": "Last sign-in",
    "sessions": "Active sessions",
    "password": "Password",
}


FACTOR_STATE = {
    "mfa_enabled": "MFA",
    "required": "Required",
    "recovery_codes_left": "Recovery codes left",
    "remembered_devices": "Remembered devices",
    "reset_due_at": "Factor reset due",
}


class EmailType(click.ParamType[EmailAddress]):
    """An email address."""

    name = "email"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> EmailAddress:
        try:
            return email_addresses.parse(value)
        except InvalidEmail:
            self.fail("Not a valid email address.", param, ctx)


def _require_text(_ctx: click.Context, _param: click.Parameter, value: str) -> str:
    if not value.strip():
        raise click.BadParameter("Must not be empty.")
    return value.strip()


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")
email_argument = click.argument("email", metavar="EMAIL", type=EmailType())


@click.group()
def users() -> None:
    """Manage users."""


users.add_command(import_export.import_)
users.add_command(import_export.export)


@users.command()
@email_argument
@click.option("--first-name", required=True, help="First name.")
@click.option("--last-name", default="", help="Last name.")
@click.option("--country", help="Country, as in NG (ISO 3166-1).")
@click.option("--locale", default="en", show_default=True, help="Language of mails.")
@json_option
def create(email: EmailAddress, as_json: bool, **fields: str | None) -> None:
    """Create a user with a verified email address.

    The password is read from a prompt, or from the first line of standard input. No mail is sent.
    """
    given = {name: value for name, value in fields.items() if value is not None}
    with _report_errors(), output.load_app(logging.WARNING).app_context():
        form = RegisterRequest().load({**given, "email": email.original, "password": _read_password()})
        user = transaction(lambda: _to_dict(registration.create_user(form)))
    _print_result(user, f"The user {user['id']} can sign in.", as_json=as_json)


@users.command("list")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 10_000), help="Maximum number of users.")
@json_option
def list_(limit: int, as_json: bool) -> None:
    """List the newest users."""
    with output.load_app(logging.WARNING).app_context():
        rows = transaction(lambda: [_to_dict(user) for user in service.list_newest(limit)])
    if as_json:
        output.print_json(rows)
        return
    output.print_table(tuple(COLUMNS.values()), [tuple(_format(row[name]) for name in COLUMNS) for row in rows])


@users.command()
@email_argument
@json_option
def show(email: EmailAddress, as_json: bool) -> None:
    """Show a user and their active sessions, without the hash."""
    with _report_errors(), output.load_app(logging.WARNING).app_context():
        summary = transaction(lambda: _summarize(service.get_summary(email)))
    if as_json:
        output.print_json(summary)
        return
    output.print_table(("Field", "Value"), [(label, _format(summary[name])) for name, label in DETAILS.items()])


@users.command("set-password")
@email_argument
@json_option
def set_password(email: EmailAddress, as_json: bool) -> None:
    """Set a password, revoke all sessions, and notify the user.

    The password is read from a prompt, or from the first line of standard input.
    """
    password = _read_password()
    _run_for_user(lambda: passwords.set_password(service.find(email), NewPasswordField().deserialize(password)))
    _print_result({"changed": True}, "The password is set and all sessions are revoked.", as_json=as_json)


@users.command()
@email_argument
@json_option
def verify(email: EmailAddress, as_json: bool) -> None:
    """Mark the email address of a user as verified.

    Only imported users can be unverified. A pending registration is not a user yet.
    """
    changed = _run_for_user(lambda: service.verify_email(email))
    text = "The email address is verified." if changed else "The email address was already verified."
    _print_result({"changed": changed}, text, as_json=as_json)


@users.command()
@email_argument
@click.option("--now", is_flag=True, help="Erase the user without the delay. This cannot be undone.")
@click.confirmation_option(prompt="This deletes the user. Continue?")
@json_option
def delete(email: EmailAddress, now: bool, as_json: bool) -> None:
    """Delete a user in 7 days, or immediately.

    All sessions are revoked and the user is notified by mail. Until the deletion, the user can cancel it.
    """
    if now:
        if not _run_for_user(lambda: erasure.erase_now(service.find(email))):
            raise click.ClickException("Rows of your application refer to the user. Delete them first.")
        _print_result({"erased": True}, "The user is erased.", as_json=as_json)
        return
    due_at = _run_for_user(lambda: _schedule_deletion(email))
    _print_result({"deletion_due_at": due_at}, f"The user will be erased at {due_at}.", as_json=as_json)


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


@users.command()
@email_argument
@json_option
def factors(email: EmailAddress, as_json: bool) -> None:
    """Show the second factors of a user, without secrets."""
    overview = _run_for_user(lambda: _summarize_factors(*second_factors.get_overview(email)))
    if as_json:
        output.print_json(overview)
        return
    rows = [
        (kind, factor["name"], factor["created_at"], _format(factor["last_used_at"]))
        for kind, factor in (
            *(("authenticator app", totp) for totp in overview["totp"]),
            *(("passkey" if key["can_sign_in"] else "security key", key) for key in overview["passkeys"]),
        )
    ]
    output.print_table(("Kind", "Name", "Added", "Last used"), rows)
    output.print_table(("Field", "Value"), [(label, _format(overview[name])) for name, label in FACTOR_STATE.items()])


@users.command("reset-factors")
@click.argument("email", metavar="[EMAIL]", type=EmailType(), required=False)
@click.option("--undecryptable", is_flag=True, help="All users with secrets that no SECRET_KEY decrypts.")
@click.option("--reason", required=True, callback=_require_text, help="Reason, for the audit log.")
@json_option
def reset_factors(email: EmailAddress | None, undecryptable: bool, reason: str, as_json: bool) -> None:
    """Remove all second factors, and require a password reset.

    All sessions are revoked, and a mail notifies the user. No link restores the factors.
    """
    if (email is None) != undecryptable:
        raise click.UsageError("Give an email address, or --undecryptable.")
    if email:
        count = int(_run_for_user(lambda: second_factors.reset(email, reason)))
    else:
        with output.load_app(logging.WARNING).app_context():
            try:
                count = second_factors.reset_undecryptable(reason)
            except ExceptionGroup as failures:  # all other users are done
                raise failures.exceptions[0] from None
    _print_result({"users": count}, f"Users whose second factors were removed: {count}.", as_json=as_json)


@users.command("require-mfa")
@email_argument
@click.argument("state", type=click.Choice(["on", "off"]))
@json_option
def require_mfa(email: EmailAddress, state: str, as_json: bool) -> None:
    """Require a second factor of a user, or no longer."""
    changed = _run_for_user(lambda: second_factors.require(email, required=state == "on"))
    text = "A second factor is required." if state == "on" else "A second factor is required by SECOND_FACTOR only."
    _print_result({"changed": changed}, text, as_json=as_json)


def _summarize_factors(overview: FactorOverview, reset_due_at: datetime | None) -> dict[str, Any]:
    def to_dict(factor: TotpFactor | Passkey) -> dict[str, object]:
        times = {"created_at": factor.created_at, "last_used_at": factor.last_used_at}
        return {"id": factor.id, "name": factor.name, **{name: _to_text(time) for name, time in times.items()}}

    return {
        "totp": [to_dict(totp) for totp in overview.totp],
        "passkeys": [{**to_dict(passkey), "can_sign_in": passkey.can_sign_in} for passkey in overview.passkeys],
        "mfa_enabled": overview.mfa_enabled,
        "required": overview.required,
        "recovery_codes_left": overview.recovery_codes_left,
        "remembered_devices": overview.remembered_devices,
        "reset_due_at": _to_text(reset_due_at),
    }


def _to_text(time: datetime | None) -> str | None:
    return to_rfc3339(time) if time else None


def _schedule_deletion(email: EmailAddress) -> str:
    user = accounts.lock_user(service.find(email).id)
    if user is None:
        raise UserNotFound
    return to_rfc3339(user.deletion_due_at or account_deletion.schedule(user))


def _read_password() -> str:
    """Read a password from the terminal without echo, or from the first line of standard input."""
    if sys.stdin.isatty():
        password: str = click.prompt("Password", hide_input=True, confirmation_prompt=True)
        return password
    return sys.stdin.readline().rstrip("\r\n")


def _to_dict(user: User) -> dict[str, object]:
    times: dict[str, datetime | None] = {name: getattr(user, name) for name in TIMES}
    return {
        "id": user.id,
        "email": user.email,
        "first_name": user.first_name,
        "last_name": user.last_name,
        "is_verified": user.is_verified,
        **{name: _to_text(time) for name, time in times.items()},
    }


def _summarize(summary: UserSummary) -> dict[str, object]:
    return {**_to_dict(summary.user), "sessions": summary.sessions, "password": summary.hash_scheme}


def _format(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value is None else str(value)


def _print_result(result: dict[str, object], text: str, *, as_json: bool) -> None:
    if as_json:
        output.print_json(result)
    else:
        click.echo(text)


def _run_for_user(work: Callable[[], T]) -> T:
    with _report_errors(), output.load_app(logging.WARNING).app_context():
        return transaction(work)


@contextmanager
def _report_errors() -> Iterator[None]:
    """Report unknown and taken email addresses, and invalid values."""
    try:
        yield
    except UserNotFound:
        raise click.ClickException("No user has this email address.") from None
    except EmailTaken:
        raise click.ClickException("A user has this email address, or it is reserved for its previous owner.") from None
    except ValidationError as error:
        raise click.ClickException(_format_errors(error.messages)) from None
    except (ValidationFailed, WeakPassword) as error:
        raise click.ClickException(_format_errors(error.details["errors"])) from None


def _format_errors(errors: Any) -> str:
    """Return the messages of the fields; those of a password alone have no name."""
    by_field = errors if isinstance(errors, dict) else {"password": errors}
    return "\n".join(f"{name}: {' '.join(messages)}" for name, messages in by_field.items())

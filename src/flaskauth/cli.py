"""The `flaskauth` command."""

import logging
from typing import Any

import click
from sqlalchemy.exc import SQLAlchemyError

from flaskauth import migrations, serving
from flaskauth.app import LOCKED_KEYS, bare
from flaskauth.commands import audit, mail, passwords, schema, terminal, users
from flaskauth.foundation import clock, log
from flaskauth.foundation.clock import stamp
from flaskauth.foundation.complaints import lacks_schema, of_driver
from flaskauth.foundation.crypto import CannotOpen
from flaskauth.foundation.db import transaction
from flaskauth.foundation.errors import Unavailable
from flaskauth.keys import service as keys
from flaskauth.sessions import service as sessions


class Commands(click.Group):
    """Says in words what the database, Alembic or a sealed key says."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except CannotOpen:
            raise click.ClickException(LOCKED_KEYS) from None
        except migrations.CannotMigrate as error:
            raise click.ClickException(str(error)) from None
        except (SQLAlchemyError, Unavailable) as error:
            raise click.ClickException(_of_database(error)) from None


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="flaskauth")
def main() -> None:
    """A self-hosted authentication server.

    With nothing set, `flaskauth serve` answers on this machine, on SQLite, with a mailbox in the browser. Settings
    come from the environment and from .env; `flaskauth doctor` says what to make of them.
    """


main.add_command(passwords.passwords)


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at.")
@click.option("--port", default=5000, show_default=True, type=click.IntRange(1, 65535), help="Port to listen at.")
@click.option("--workers", type=click.IntRange(1, 256), show_default="WEB_CONCURRENCY or 1", help="Server processes.")
def serve(host: str, port: int, workers: int | None) -> None:
    """Serve, in development or production, as the settings say."""
    serving.serve(host, port, workers)


@main.command()
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
@click.option("--strict", is_flag=True, help="End with 1 for warnings too.")
@click.pass_context
def doctor(ctx: click.Context, as_json: bool, strict: bool) -> None:
    """Look at everything, and say what to mend.

    Settings, database, Redis, worker, mail server, keys and mails; nothing is changed and nothing is sent. Ends with 1
    where something failed, with 0 where there are warnings at most.
    """
    from flaskauth.doctor import report  # noqa: PLC0415 (a server examines nothing)
    from flaskauth.doctor.examination import examine  # noqa: PLC0415

    log.configure(logging.CRITICAL)
    with report.progress():
        findings = examine(bare)
    ok = report.is_ok(findings, strict=strict)
    if as_json:
        click.echo(report.as_json(findings, ok=ok))
    else:
        report.show(findings)
    ctx.exit(0 if ok else 1)


main.add_command(schema.db)


@main.group("sessions")
def all_sessions() -> None:
    """The sessions of everybody."""


@all_sessions.command()
@click.confirmation_option(prompt="This signs everybody out. Go on?")
def revoke_all() -> None:
    """Sign everybody out.

    For a database that was restored: sessions that have ended since the backup would be good again. Services that look
    at nothing but the signature take an access token up to its end; `keys reset` makes those worthless too.
    """
    with terminal.app().app_context():
        ended = transaction(sessions.end_everybody)
    click.echo(f"{ended} sessions were ended.")


@main.group("keys")
def signing_keys() -> None:
    """The keys that sign access tokens."""


@signing_keys.command()
@click.option("--now", is_flag=True, help="After a leak: sign with the new key at once and refuse every older one.")
def rotate(now: bool) -> None:
    """Make the next signing key.

    It signs in an hour, once other services have read it. Without this command a key is made every 30 days.
    """
    with terminal.app().app_context():
        kid = keys.rotate(at_once=now)
        signs_from = {key.kid: key.signs_from for key in keys.listing()}[kid]
    told = "signs in an hour." if signs_from > clock.now() else "signs now."
    click.echo(f"Key {kid} {told}" + (" Older tokens are refused within a minute." if now else ""))


@signing_keys.command()
@click.confirmation_option(prompt="This signs everybody out. Go on?")
def reset() -> None:
    """Make a new key and sign everybody out.

    For a SECRET_KEY that is lost: every key that it sealed is dropped, and every session ends.
    """
    with terminal.app().app_context():
        kid = keys.reset()
        ended = transaction(sessions.end_everybody)
    click.echo(f"Key {kid} signs now. {ended} sessions were ended.")


@signing_keys.command("list")
def list_keys() -> None:
    """Show the keys and when they sign."""
    with terminal.app().app_context():
        rows = [(str(key.ordinal), key.kid, stamp(key.created_at), stamp(key.signs_from)) for key in keys.listing()]
    terminal.show(("No.", "Key", "Made", "Signs from"), rows)


main.add_command(users.users)
main.add_command(audit.audit)
main.add_command(mail.mail)


def _of_database(error: Exception) -> str:
    """The driver's own words, without the statement that caused them, and what to do."""
    reason = of_driver(error)
    said = ": ".join(map(str, reason.args)) or reason
    if lacks_schema(error):
        return f"The database is not up to date ({said}). Run: flaskauth db upgrade"
    return (
        f"The database says: {said}\nDoes it run, and is SQLALCHEMY_DATABASE_URI right? flaskauth doctor looks closer."
    )

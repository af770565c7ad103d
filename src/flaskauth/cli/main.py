"""The `flaskauth` command and its subcommands."""

import logging

import click

from flaskauth.app import create_base_app
from flaskauth.cli import audit, db, factors, installation, mail, output, passwords, templates, users
from flaskauth.core import clock
from flaskauth.core.clock import to_rfc3339
from flaskauth.core.db.session import transaction
from flaskauth.core.observability import log
from flaskauth.extras import missing_extra
from flaskauth.sessions import service as sessions
from flaskauth.settings import Settings, require_installation
from flaskauth.signing_keys import service as signing_keys
from flaskauth.version import __version__


class CommandGroup(click.Group):
    """Reports errors of the database, the migrations and the signing keys as messages without a traceback."""

    def invoke(self, ctx: click.Context) -> object:
        with output.report_errors():
            return super().invoke(ctx)


@click.group(cls=CommandGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="flaskauth")
def main() -> None:
    """A self-hosted authentication server.

    With default settings, `flaskauth serve` listens on localhost, uses SQLite, and shows mail in the browser.
    Settings are read from the environment and from .env. `flaskauth doctor` checks them.
    """


main.add_command(passwords.passwords)
main.add_command(factors.factors)


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=5000, show_default=True, type=click.IntRange(1, 65535), help="Port to listen on.")
@click.option("--workers", type=click.IntRange(1, 256), show_default="WEB_CONCURRENCY or 1", help="Server processes.")
def serve(host: str, port: int, workers: int | None) -> None:
    """Start the server."""
    if missing := missing_extra("serve"):
        raise click.ClickException(f"The server cannot start because {missing}")
    from flaskauth.server import run as server_run  # noqa: PLC0415 (needs the extra)

    server_run.serve(host, port, workers)


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")
@click.option("--strict", is_flag=True, help="Exit with 1 for warnings too.")
@click.pass_context
def doctor(ctx: click.Context, as_json: bool, strict: bool) -> None:
    """Check the installation and suggest fixes.

    Checks settings, database, Redis, worker, mail server, signing keys and mail. Changes nothing and sends nothing.
    The exit status is 1 if a check failed, 2 if the command finds no settings and no database, else 0.
    """
    from flaskauth.doctor import report  # noqa: PLC0415 (only this command needs it)
    from flaskauth.doctor.runner import run_doctor  # noqa: PLC0415

    log.configure(logging.CRITICAL)
    server = installation.flask_server()
    settings, errors = Settings.load_with_errors()
    if not (server or errors):
        require_installation(settings)
    with report.progress():
        findings = run_doctor(create_base_app, server)
    ok = report.is_ok(findings, strict=strict)
    if as_json:
        click.echo(report.to_json(findings, ok=ok))
    else:
        report.print_report(findings)
    ctx.exit(0 if ok else 1)


main.add_command(db.db)


@main.group("sessions")
def sessions_group() -> None:
    """Revoke sessions."""


@sessions_group.command()
@click.confirmation_option(prompt="This signs out all users. Continue?")
def revoke_all() -> None:
    """Revoke all sessions of all users.

    Use it after restoring a database: sessions that were revoked after the backup would be valid again. Services that
    verify tokens offline accept an access token until it expires; `keys reset` invalidates those tokens too.
    """
    with output.load_app().app_context():
        count = transaction(sessions.revoke_everyone)
    click.echo(f"{count} sessions were revoked.")


@main.group("keys")
def keys_group() -> None:
    """Manage the keys that sign access tokens."""


@keys_group.command()
@click.option("--now", is_flag=True, help="After a leak: sign with the new key immediately and delete all older keys.")
def rotate(now: bool) -> None:
    """Create the next signing key.

    It signs in an hour, so that other services can fetch it first. The server also creates a key every 30 days.
    """
    with output.load_app().app_context():
        kid = signing_keys.rotate(immediately=now)
        signs_from = {key.kid: key.active_from for key in signing_keys.list_keys()}[kid]
    status = "signs in an hour." if signs_from > clock.now() else "signs now."
    click.echo(f"Key {kid} {status}" + (" Older tokens are rejected within a minute." if now else ""))


@keys_group.command()
@click.confirmation_option(prompt="This signs out all users. Continue?")
def reset() -> None:
    """Replace all signing keys and revoke all sessions.

    Use it if SECRET_KEY is lost: the keys that it encrypted are deleted.
    """
    with output.load_app().app_context():
        kid = signing_keys.replace_all()
        count = transaction(sessions.revoke_everyone)
    click.echo(f"Key {kid} signs now. {count} sessions were revoked.")


@keys_group.command("list")
def list_keys() -> None:
    """List the signing keys."""
    with output.load_app().app_context():
        rows = [
            (str(key.ordinal), key.kid, to_rfc3339(key.created_at), to_rfc3339(key.active_from))
            for key in signing_keys.list_keys()
        ]
    output.print_table(("No.", "Key", "Created", "Signs from"), rows)


main.add_command(users.users)
main.add_command(audit.audit)
main.add_command(mail.mail)
main.add_command(templates.templates)

"""`flaskauth factors`: a report on second factors."""

import logging
from dataclasses import asdict

import click

from flaskauth.app import FACTORS_EXIST
from flaskauth.cli import output
from flaskauth.core.context import settings
from flaskauth.core.db.session import transaction
from flaskauth.user_admin import second_factors

LABELS = {
    "users": "Users who are not disabled",
    "users_with_mfa": "- with MFA",
    "users_who_must_enrol": "- without a required factor",
    "users_with_factors": "All users with a second factor",
    "authenticator_apps": "Authenticator apps",
    "passkeys": "Passkeys and security keys",
    "scheduled_resets": "Scheduled factor resets",
    "secrets_under_old_keys": "Secrets that only a fallback decrypts",
    "undecryptable_secrets": "Secrets that no key decrypts",
}


@click.group()
def factors() -> None:
    """Report on second factors."""


@factors.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")
def report(as_json: bool) -> None:
    """Count users with and without second factors.

    If SECOND_FACTOR is off and users have factors, print what to do.
    """
    with output.load_app(logging.WARNING).app_context():
        counts = asdict(transaction(second_factors.report))
        is_off = settings().second_factor == "off"
    if as_json:
        output.print_json(counts)
        return
    output.print_table(("Count", "Number"), [(label, f"{counts[name]:,}") for name, label in LABELS.items()])
    if is_off and counts["users_with_factors"]:
        click.echo(f"\n{FACTORS_EXIST}")


@factors.command("list")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 10_000), help="Maximum number of users.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")
def list_(limit: int, as_json: bool) -> None:
    """List the newest users with second factors."""
    with output.load_app(logging.WARNING).app_context():
        users = transaction(lambda: second_factors.list_users(limit))
    if as_json:
        output.print_json([asdict(user) for user in users])
        return
    rows = [
        (user.email, "on" if user.mfa_enabled else "off", str(user.authenticator_apps), str(user.passkeys))
        for user in users
    ]
    output.print_table(("Email", "MFA", "Authenticator apps", "Passkeys and security keys"), rows)

"""`flaskauth factors`: a report on second factors."""

import logging
from dataclasses import asdict

import click

from flaskauth.cli import output
from flaskauth.core.db.session import transaction
from flaskauth.user_admin import second_factors

LABELS = {
    "users": "Users who are not disabled",
    "users_with_mfa": "- with MFA",
    "users_who_must_enrol": "- without a required factor",
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
    """Count users with and without second factors."""
    with output.load_app(logging.WARNING).app_context():
        counts = asdict(transaction(second_factors.report))
    if as_json:
        output.print_json(counts)
        return
    output.print_table(("Count", "Number"), [(label, f"{counts[name]:,}") for name, label in LABELS.items()])

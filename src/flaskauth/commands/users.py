"""`flaskauth users`: show a person, keep one out, let one in again; beside it what moves many."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import click

from flaskauth.accounts import addresses
from flaskauth.accounts.addresses import Address, NotAnAddress
from flaskauth.commands import moving, terminal
from flaskauth.foundation.clock import stamp
from flaskauth.foundation.db import transaction
from flaskauth.users import service
from flaskauth.users.service import About, Nobody

T = TypeVar("T")


class EmailType(click.ParamType[Address]):
    """An address of email."""

    name = "email"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> Address:
        try:
            return addresses.parse(value)
        except NotAnAddress:
            self.fail("This is not an address of email.", param, ctx)


email = click.argument("address", metavar="EMAIL", type=EmailType())


@click.group()
def users() -> None:
    """The people: bring them along, list them, keep one out."""


users.add_command(moving.import_)
users.add_command(moving.export)


@users.command()
@email
def show(address: Address) -> None:
    """Show a person and what is open; never a hash."""
    with _known(), terminal.app(logging.WARNING).app_context():
        rows = transaction(lambda: _about(service.about(address)))
    terminal.show(("What", "How it is"), rows)


@users.command()
@email
def disable(address: Address) -> None:
    """Keep a person out: every session ends, no sign-in, no reset."""
    was_let_in = _done(lambda: service.disable(address))
    click.echo("Kept out from now on; every session has ended." if was_let_in else "Was kept out already.")


@users.command()
@email
def enable(address: Address) -> None:
    """Let a person in again, by a new sign-in."""
    was_kept_out = _done(lambda: service.enable(address))
    click.echo("May sign in again." if was_kept_out else "Was not kept out.")


def _about(found: About) -> list[tuple[str, str]]:
    user = found.user
    return [
        ("Id", str(user.id)),
        ("Address", user.email),
        ("Verified", "yes" if user.is_verified else "no: comes in by forgot-password"),
        ("Disabled", f"since {stamp(user.disabled_at)}" if user.disabled_at else "no"),
        ("Closing", f"erased at {stamp(user.closes_at)}" if user.closes_at else "no"),
        ("Made", stamp(user.created_at)),
        ("Last sign-in", stamp(user.signed_in_at) if user.signed_in_at else "none yet"),
        ("Open sessions", str(found.sessions)),
        ("Password", found.hash_kind),
    ]


def _done(work: Callable[[], T]) -> T:
    with _known(), terminal.app(logging.WARNING).app_context():
        return transaction(work)


@contextmanager
def _known() -> Iterator[None]:
    try:
        yield
    except Nobody:
        raise click.ClickException("Nobody has this address.") from None

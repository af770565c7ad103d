"""`flask auth`: the commands of `flaskauth` for the application that `flask --app` names."""

from functools import cached_property
from importlib import import_module

import click
from flask import Flask

NAME = "auth"
EXCLUDED = {"serve"}  # it serves flaskauth alone; `flask run` and WSGI servers serve the application


class AuthGroup(click.Group):
    """The commands of `flaskauth`.

    They are imported when one is used: few processes need them, and they are in a higher layer.
    """

    @cached_property
    def _cli(self) -> click.Group:
        cli: click.Group = import_module("flaskauth.cli.main").main
        return cli

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for name in self._cli.list_commands(ctx) if name not in EXCLUDED]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return None if cmd_name in EXCLUDED else self._cli.get_command(ctx, cmd_name)

    def invoke(self, ctx: click.Context) -> object:
        with import_module("flaskauth.cli.output").report_errors():
            return super().invoke(ctx)


def init_app(app: Flask) -> None:
    """Add `flask auth`, unless the application has a command of that name."""
    if NAME not in app.cli.commands:
        app.cli.add_command(AuthGroup(NAME, help="Manage users, signing keys, mail and the database of flaskauth."))

"""The page of commands, from the commands themselves."""

from collections.abc import Iterator

import click

from flaskauth.cli import main

ABOUT = """\
# Commands

<!-- Made by `make docs` from `flaskauth --help`. -->

Every command reads the [settings](settings.md) from the environment and from `.env`, answers `--help`, and ends with 0
when it did what it says. What keeps it from doing so is said in words, on standard error."""


def page() -> Iterator[str]:
    """The page of the documentation."""
    yield from ABOUT.splitlines()
    yield from _commands("flaskauth", main, click.Context(main, info_name="flaskauth"))


def _commands(name: str, command: click.Command, context: click.Context) -> Iterator[str]:
    if isinstance(command, click.Group):
        for word in command.list_commands(context):
            if inner := command.get_command(context, word):
                yield from _commands(f"{name} {word}", inner, click.Context(inner, context, info_name=word))
        return
    words = [param.make_metavar(context) for param in command.params if isinstance(param, click.Argument)]
    yield from ("", f"## `{' '.join([name, *words])}`", "", *_told(command.help or ""))
    options = [option for option in command.params if isinstance(option, click.Option)]
    if options:
        yield from ("", "| option | |", "|---|---|", *(_option(option, context) for option in options))


def _told(text: str) -> list[str]:
    return [line.strip() for line in text.strip().splitlines()]


def _option(option: click.Option, context: click.Context) -> str:
    record = option.get_help_record(context)
    assert record, "an option without a word about it"
    written, told = (part.replace("|", r"\|") for part in record)
    return f"| `{written}` | {told} |"

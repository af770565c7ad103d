"""flaskauth db: the database's schema."""

import click

from flaskauth import migrations
from flaskauth.commands import terminal
from flaskauth.settings import Settings

GOES_ON = "Servers go on serving meanwhile: it only adds."
STOPS = "It changes or takes away what is there: first end all servers of versions that know it."


@click.group()
def db() -> None:
    """The database's schema."""


@db.command()
@click.option("--to", default="head", show_default=True, help="The revision to go to.")
def upgrade(to: str) -> None:
    """Bring the database up to date: schema, countries and regions.

    Waits for whoever migrates it already, and goes on where one broke off.
    """
    url = Settings.load().database_url
    with terminal.progress() as bar:
        revisions = bar.add_task("Revisions", total=migrations.pending(url, to))
        migrations.upgrade(url, to, lambda: bar.advance(revisions))
    click.echo(f"The database {url} is at revision {migrations.revision(url)}.")


@db.command()
@click.option("--to", default="head", show_default=True, help="The revision to go to.")
def plan(to: str) -> None:
    """Show what `db upgrade` would do, and change nothing.

    Each revision with its statements, whether servers can go on serving meanwhile, and the tables of which every row
    has to be read.
    """
    url = Settings.load().database_url
    steps = migrations.plan(url, to)
    for step in steps:
        click.echo(f"{step.revision}: {step.told}\n")
        for statement in step.in_short():
            click.echo("    " + statement.replace("\n", "\n    "))
        click.echo(f"\n    {GOES_ON if step.only_adds else STOPS}")
        if step.takes_long:
            click.echo(f"    Takes as long as reading all of {', '.join(step.takes_long)}.")
        click.echo()
    stands = migrations.revision(url) or "none"
    click.echo(f"The database {url} is at revision {stands}; {len(steps) or 'no'} revisions would be applied.")

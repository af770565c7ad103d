"""`flaskauth db`: database migrations."""

import click

from flaskauth import migrations
from flaskauth.cli import installation, output
from flaskauth.settings import Settings

ADDITIVE_MESSAGE = "Servers can keep running: this revision only adds."
BREAKING_MESSAGE = "This revision changes or removes existing parts: first stop all servers of versions that use them."


@click.group()
def db() -> None:
    """Migrate the database."""


@db.command()
@click.option("--to", default="head", show_default=True, help="Target revision.")
def upgrade(to: str) -> None:
    """Migrate the database: schema, countries and regions.

    Waits for a concurrent migration, and resumes an interrupted one.
    """
    url = (installation.flask_settings() or Settings.load()).database_url
    with output.progress_bar() as bar:
        revisions = bar.add_task("Revisions", total=migrations.count_pending(url, to))
        migrations.upgrade(url, to, lambda: bar.advance(revisions))
    click.echo(f"The database {url} is at revision {migrations.current_revision(url)}.")


@db.command()
@click.option("--to", default="head", show_default=True, help="Target revision.")
def plan(to: str) -> None:
    """Show what `db upgrade` would do, without changes.

    Prints for each revision its statements, whether servers can keep running, and the tables that are read completely.
    """
    url = installation.read_settings().database_url
    steps = migrations.plan_upgrade(url, to)
    for step in steps:
        click.echo(f"{step.revision}: {step.description}\n")
        for statement in step.summarize_statements():
            click.echo("    " + statement.replace("\n", "\n    "))
        click.echo(f"\n    {ADDITIVE_MESSAGE if step.is_additive else BREAKING_MESSAGE}")
        if step.slow_tables:
            click.echo(f"    Reads all rows of {', '.join(step.slow_tables)}.")
        click.echo()
    current = migrations.current_revision(url) or "none"
    click.echo(f"The database {url} is at revision {current}; {len(steps) or 'no'} revisions would be applied.")

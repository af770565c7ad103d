"""`flaskauth templates`: list, copy and check the templates of mails and pages."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import click
from flask import Flask

from flaskauth.app import create_base_app
from flaskauth.cli import installation, output
from flaskauth.core import context
from flaskauth.core.observability import log
from flaskauth.mail import template_check
from flaskauth.mail import templates as mail_templates
from flaskauth.mail.models import DEFAULT_LOCALE
from flaskauth.settings import Settings, SettingsError
from flaskauth.web import template_check as page_template_check
from flaskauth.web.rendering import builtin_pages


@click.group()
def templates() -> None:
    """Change the templates of mails and pages.

    A file in MAIL_TEMPLATE_FOLDER, or in templates/flaskauth of your application, replaces the built-in one of the same
    name.
    """


@templates.command("list")
def list_() -> None:
    """List the templates, their languages, and their replacements."""
    with _load_app().app_context():
        paths = mail_templates.replacements() | mail_templates.page_replacements()
        shared = [(name, "", paths.get(name, "")) for name in (*mail_templates.shared_files(), *builtin_pages())]
        mails = [
            (mail, " ".join(mail_templates.languages_of(mail)), "\n".join(_paths_of(mail, paths)))
            for mail in mail_templates.mails()
        ]
    output.print_table(("Template", "Languages", "Replaced by"), [*mails, *shared])


@templates.command()
@click.argument("names", metavar="TEMPLATE...", nargs=-1, required=True)
@click.option("--language", help="Copy only this language. A new language starts with the English text.")
@click.option("--folder", type=click.Path(path_type=Path), show_default="MAIL_TEMPLATE_FOLDER", help="Target folder.")
def copy(names: Sequence[str], language: str | None, folder: Path | None) -> None:
    """Copy built-in templates, to change them. Existing files are not overwritten.

    TEMPLATE is a name of `flaskauth templates list`, such as registration/verify_email, mail/base.html or
    pages/sign_in.html.
    """
    with _load_app().app_context():
        target = folder or context.settings().mail_template_folder
    for name in names:
        files = _files_to_copy(name, language)
        if not files:
            raise click.ClickException(f"There is no template {name}. Run: flaskauth templates list")
        for file, text in files.items():
            _write_new(target / file, text)


@templates.command()
def check() -> None:
    """Check the replaced templates of mails and pages. The exit status is 1 if one cannot be rendered."""
    with _load_app().app_context():
        errors = [*template_check.find_errors(), *page_template_check.find_errors()]
        count = len(mail_templates.replacements()) + len(mail_templates.page_replacements())
    if errors:
        raise click.ClickException("\n".join(errors))
    noun = "replaced template is" if count == 1 else "replaced templates are"
    click.echo(f"{count} {noun} valid." if count else "No template is replaced.")


def _load_app() -> Flask:
    """Create the application from the settings; `flask auth` uses its own. Templates need no database."""
    log.configure(logging.WARNING)
    if server := installation.flask_server():
        return server
    settings, errors = Settings.load_with_errors()
    if errors:
        raise SettingsError(errors)
    return create_base_app(settings)


def _paths_of(mail: str, paths: Mapping[str, str]) -> list[str]:
    return [path for name, path in paths.items() if mail_templates.mail_of(name) == mail]


def _files_to_copy(name: str, language: str | None) -> dict[str, str]:
    """Return the text of each file to write."""
    if page := builtin_pages().get(name):
        return {name: page}
    if name in mail_templates.shared_files():
        return {name: mail_templates.builtin_source(name)}
    files = [file for file in mail_templates.builtin_files() if mail_templates.mail_of(file) == name]
    sources = {file: mail_templates.builtin_source(file) for file in files}
    if language is None:
        return sources
    targets = {file: text for file, text in sources.items() if f"/{language}/" in file}
    return targets or {
        file.replace(f"/{DEFAULT_LOCALE}/", f"/{language}/"): text
        for file, text in sources.items()
        if f"/{DEFAULT_LOCALE}/" in file
    }


def _write_new(path: Path, text: str) -> None:
    if path.exists():
        click.echo(f"exists {path}")
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    click.echo(f"copied {path}")

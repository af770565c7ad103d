"""Find mail templates. A template of the operator replaces the one of the package with the same name.

The name of a file is `<package>/<language>/<mail>.subject.txt`, `.txt` or `.html`, such as
`registration/en/verify_email.txt`, or `mail/<file>` for the parts that all mails share.
"""

from collections.abc import Iterable
from functools import lru_cache
from importlib.resources import files

from flask import Flask, current_app, has_app_context
from jinja2 import (
    BaseLoader,
    ChoiceLoader,
    Environment,
    FileSystemLoader,
    PackageLoader,
    PrefixLoader,
    StrictUndefined,
    select_autoescape,
)

from flaskauth.core.context import settings
from flaskauth.mail.models import DEFAULT_LOCALE
from flaskauth.mail.text import as_title, isolate

PACKAGE = "flaskauth"
TEMPLATE_FOLDER = "templates/mail"
APPLICATION_FOLDER = "flaskauth/"  # below the template folders of an application
PAGES_PREFIX = "pages/"  # templates of hosted pages, in the same folder
BUILTIN_PREFIX = "builtin"  # "builtin/mail/base.html" is the package's own file, for a replacement that extends it
SUFFIXES = (".subject.txt", ".txt", ".html")
EXTENSION_KEY = "flaskauth.mail.templates"
APPLICATION_KEY = "flaskauth.mail.application"


class ApplicationLoader(BaseLoader):
    """Load templates from the folder `flaskauth` in the template folders of an application and its blueprints."""

    def __init__(self, app: Flask) -> None:
        self._loader = app.create_global_jinja_loader()

    def get_source(self, environment: Environment, template: str) -> tuple[str, str | None, object]:  # type: ignore[override]
        return self._loader.get_source(environment, APPLICATION_FOLDER + template)

    def list_templates(self) -> list[str]:
        names = (name for name in self._loader.list_templates() if name.startswith(APPLICATION_FOLDER))
        return [name.removeprefix(APPLICATION_FOLDER) for name in names]


def environment() -> Environment:
    """Return the templates of the current application. They are compiled once; a new file requires a restart."""
    if not has_app_context():
        return _builtin_environment()
    if EXTENSION_KEY not in current_app.extensions:
        loaders = [loader for loader in operator_loaders() if loader.list_templates()]
        current_app.extensions[EXTENSION_KEY] = _create_environment(loaders) if loaders else _builtin_environment()
    templates: Environment = current_app.extensions[EXTENSION_KEY]
    return templates


def use_application(server: Flask, application: Flask) -> None:
    """Let templates of an application that the server is mounted in replace those of the package."""
    server.extensions[APPLICATION_KEY] = application
    server.extensions.pop(EXTENSION_KEY, None)


def replacements() -> dict[str, str]:
    """Return the mail templates of the operator: the path of each by its name."""
    return {name: path for name, path in _operator_files().items() if not name.startswith(PAGES_PREFIX)}


def page_replacements() -> dict[str, str]:
    """Return the page templates of the operator: the path of each by its name."""
    return {name: path for name, path in _operator_files().items() if name.startswith(PAGES_PREFIX)}


def builtin_files() -> list[str]:
    """Return the names of the files in the package."""
    return _builtin_loader().list_templates()


def shared_files() -> list[str]:
    """Return the names of the files that all mails share."""
    return [name for name in builtin_files() if mail_of(name) is None]


def builtin_source(name: str) -> str:
    """Return the text of a file in the package."""
    return _builtin_loader().get_source(_builtin_environment(), name)[0]


def mails() -> list[str]:
    """Return the names of all mails, such as "registration/verify_email"."""
    return sorted(filter(None, {mail_of(name) for name in builtin_files()}))


def mail_of(file: str) -> str | None:
    """Return the mail that a file belongs to, or None for a file of all mails."""
    for suffix in SUFFIXES:
        match file.removesuffix(suffix).split("/"):
            case [package, _, name] if file.endswith(suffix):
                return f"{package}/{name}"
    return None


def file_name(mail: str, locale: str, suffix: str) -> str:
    """Return the name of a file of a mail."""
    package, _, name = mail.partition("/")
    return f"{package}/{locale}/{name}{suffix}"


def languages_of(mail: str) -> list[str]:
    """Return the languages that a mail has a text template in, English first."""
    names = set(environment().list_templates())
    return [locale for locale in languages() if file_name(mail, locale, ".txt") in names]


def languages() -> tuple[str, ...]:
    """Return the languages that have mail templates, English first."""
    return _languages(environment())


@lru_cache(maxsize=8)
def _languages(templates: Environment) -> tuple[str, ...]:
    known_mails = mails()
    names = {name.split("/")[1] for name in templates.list_templates() if mail_of(name) in known_mails}
    return (DEFAULT_LOCALE, *sorted(names - {DEFAULT_LOCALE}))


def operator_loaders() -> list[BaseLoader]:
    """Return the loaders of MAIL_TEMPLATE_FOLDER and of the application, which take precedence in this order."""
    application = current_app.extensions.get(APPLICATION_KEY, current_app)
    return [FileSystemLoader(settings().mail_template_folder), ApplicationLoader(application)]


def _operator_files() -> dict[str, str]:
    templates, loaders = environment(), operator_loaders()
    names = {name for loader in loaders for name in loader.list_templates()}
    return {name: str(ChoiceLoader(loaders).get_source(templates, name)[1]) for name in sorted(names)}


def _create_environment(loaders: Iterable[BaseLoader]) -> Environment:
    builtin = _builtin_loader()
    templates = Environment(
        loader=ChoiceLoader([*loaders, builtin, PrefixLoader({BUILTIN_PREFIX: builtin})]),
        autoescape=select_autoescape(enabled_extensions=("html",), default=False),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters |= {"isolated": isolate, "as_title": as_title}
    return templates


@lru_cache(maxsize=1)
def _builtin_environment() -> Environment:
    return _create_environment(())


@lru_cache(maxsize=1)
def _builtin_loader() -> PrefixLoader:
    packages = [entry.name for entry in files(PACKAGE).iterdir() if entry.joinpath(TEMPLATE_FOLDER).is_dir()]
    return PrefixLoader({name: PackageLoader(PACKAGE, f"{name}/{TEMPLATE_FOLDER}") for name in packages})

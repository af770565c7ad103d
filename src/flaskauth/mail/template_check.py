"""Check the mail templates that replace those of the package, by rendering every mail in every language."""

from collections.abc import Iterable, Iterator
from functools import cache

from jinja2 import TemplateError, TemplateNotFound, TemplateSyntaxError, meta

from flaskauth.mail import templates
from flaskauth.mail.models import DEFAULT_LOCALE
from flaskauth.mail.rendering import render_parts

SAMPLE_CODE = "BCDF-2345"
SAMPLE_LINK = "https://auth.example.com/auth/report-sign-in#sample"


def find_errors() -> list[str]:
    """Return a message for each replaced template that has no effect or cannot be rendered."""
    replaced = templates.replacements()
    errors = [f"{path}: {reason}" for name, path in replaced.items() if (reason := _find_file_error(name))]
    if errors:
        return errors
    existing = frozenset(templates.environment().list_templates())
    return [
        f"{mail} ({locale}): {reason}"
        for mail, locale in _affected_mails(replaced)
        for reason in _find_mail_errors(mail, locale, existing)
    ]


def _affected_mails(replaced: Iterable[str]) -> list[tuple[str, str]]:
    """Return the mails and languages that use a replaced file."""
    if any(templates.mail_of(name) is None for name in replaced):
        return [(mail, locale) for mail in templates.mails() for locale in templates.languages_of(mail)]
    return sorted({(templates.mail_of(name) or "", name.split("/")[1]) for name in replaced})


def _find_file_error(name: str) -> str | None:
    if not _is_known(name):
        return "replaces no template; `flaskauth templates list` shows their names"
    try:
        templates.environment().get_template(name)
    except TemplateSyntaxError as error:
        return f"line {error.lineno}: {error.message}"
    except (TemplateError, UnicodeDecodeError) as error:
        return str(error)
    return None


def _is_known(name: str) -> bool:
    """Return True for a shared file of the package, and for a file of one of its mails in any language."""
    return templates.mail_of(name) in templates.mails() or name in templates.builtin_files()


def _find_mail_errors(mail: str, locale: str, existing: frozenset[str]) -> Iterator[str]:
    names = {suffix: templates.file_name(mail, locale, suffix) for suffix in templates.SUFFIXES}
    if missing := [suffix for suffix, name in names.items() if name not in existing]:
        yield f"{' and '.join(missing)} is missing"
        return
    variables = _builtin_variables(mail)
    context = {name: f"sample {name}" for name in variables} | {"code": SAMPLE_CODE, "link": SAMPLE_LINK}
    try:
        parts = render_parts(mail, locale, context)
    except TemplateNotFound as error:
        yield f"there is no template {error}"
        return
    except Exception as error:  # noqa: BLE001 (a template can raise any error)
        yield str(error)
        return
    if not parts.subject:
        yield "the subject is empty"
    for name, sample in (("code", SAMPLE_CODE), ("link", SAMPLE_LINK)):
        if name in variables:
            if sample not in parts.text.splitlines():
                yield f"the {name} is not alone on a line of the text"
            if sample not in parts.html:
                yield f"the {name} is missing in the HTML"


@cache
def _builtin_variables(mail: str) -> frozenset[str]:
    """Return the variables of the package's own templates of a mail."""
    environment = templates.environment()
    names = [templates.file_name(mail, DEFAULT_LOCALE, suffix) for suffix in templates.SUFFIXES]
    sources = [environment.parse(templates.builtin_source(name)) for name in names]
    return frozenset().union(*map(meta.find_undeclared_variables, sources))

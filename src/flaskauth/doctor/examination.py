"""Looks at every subject at the same time, in bounded time, and never fails itself."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace

from flask import Flask

from flaskauth.doctor import address, breaches, broker, configuration, database, mail, proxies
from flaskauth.doctor.findings import Finding, Subject, skipped, wrong
from flaskauth.foundation.db import hang_up
from flaskauth.settings import Settings

PATIENCE = 15.0  # seconds for everything
SUBJECTS = (
    configuration.FILES,
    proxies.SUBJECT,
    address.SUBJECT,
    database.SUBJECT,
    broker.SUBJECT,
    mail.SUBJECT,
    breaches.SUBJECT,
)
CHECKS = ("settings", *(name for subject in SUBJECTS for name in subject.checks))


class Look(threading.Thread):
    """One subject, on a thread that nobody waits for: a host that swallows packets may hold it for longer."""

    def __init__(self, subject: Subject, app: Flask) -> None:
        super().__init__(name="doctor", daemon=True)
        self._subject = subject
        self._app = app
        self._found: list[Finding] = []
        self._error: Exception | None = None

    def run(self) -> None:
        try:
            with self._app.app_context():
                for finding in self._subject.look():
                    self._found.append(finding)  # at once: what comes after may never come
        except Exception as error:  # noqa: BLE001 (it is told below)
            self._error = error

    def findings(self) -> list[Finding]:
        """What was found so far, and a word on each check that was not made."""
        found = list(self._found)
        missing = [name for name in self._subject.checks if name not in {finding.check for finding in found}]
        if missing and (trouble := self._trouble()):
            found.append(replace(trouble, check=missing.pop(0)))
        return found + [replace(skipped(f"of {found[-1].check}"), check=name) for name in missing]

    def _trouble(self) -> Finding | None:
        if self.is_alive():
            return wrong(f"no answer in {PATIENCE:.0f} seconds", "Is the way to it open? Look at firewalls and routes.")
        return wrong(f"could not be looked at: {type(self._error).__name__}", "") if self._error else None


def examine(make: Callable[[Settings], Flask]) -> list[Finding]:
    """Every finding; `make` gives the application of the settings, without its routes."""
    try:
        settings, faults = configuration.read()
        app = make(settings)
    except Exception as error:  # noqa: BLE001 (an unreadable .env, a driver that is not installed, ...)
        return _nothing_but(error)
    return [*configuration.values(settings, faults), *_all(app, configuration.unusable(faults))]


def _all(app: Flask, unusable: set[str]) -> list[Finding]:
    looks = {subject: Look(subject, app) for subject in SUBJECTS if not _lacking(subject, unusable)}
    for look in looks.values():
        look.start()
    end = time.monotonic() + PATIENCE
    for look in looks.values():
        look.join(max(0.0, end - time.monotonic()))
    _close(app)
    return [
        finding
        for subject in SUBJECTS
        for finding in (looks[subject].findings() if subject in looks else _left_out(subject, unusable))
    ]


def _left_out(subject: Subject, unusable: set[str]) -> list[Finding]:
    why = f"{', '.join(sorted(_lacking(subject, unusable)))} cannot be used"
    return [replace(skipped(why), check=name) for name in subject.checks]


def _lacking(subject: Subject, unusable: set[str]) -> set[str]:
    """What it needs and nobody knows; of a broken .env nobody knows what else it would have set."""
    return unusable & (subject.needs | {configuration.DOTENV.name})


def _nothing_but(error: Exception) -> list[Finding]:
    told = wrong(
        f"they cannot be read: {type(error).__name__}",
        "May this user read .env and the secret in the instance folder, and is the database's driver installed?",
    )
    return [
        replace(told, check="settings"),
        *(replace(skipped("the settings cannot be read"), check=name) for name in CHECKS[1:]),
    ]


def _close(app: Flask) -> None:
    with app.app_context():
        hang_up()

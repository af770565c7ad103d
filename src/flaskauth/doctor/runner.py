"""Run all groups of checks concurrently, with a time limit and without exceptions."""

import os
import threading
import time
from collections.abc import Callable
from dataclasses import replace

from flask import Flask

from flaskauth.core import context
from flaskauth.core.db.session import dispose_engines
from flaskauth.doctor import (
    breached_passwords,
    broker,
    configuration,
    database,
    mail,
    passkeys,
    password_hashes,
    proxies,
    public_url,
)
from flaskauth.doctor.findings import CheckGroup, Finding, failed, skipped
from flaskauth.settings import Settings, find_env_file

TOTAL_TIMEOUT = 15.0  # seconds for all groups
GROUPS = (
    configuration.FILES,
    proxies.GROUP,
    public_url.GROUP,
    passkeys.GROUP,
    database.GROUP,
    broker.GROUP,
    mail.TEMPLATES,
    mail.GROUP,
    breached_passwords.GROUP,
    password_hashes.GROUP,
)
CHECK_NAMES = ("settings", *(name for group in GROUPS for name in group.checks))


class CheckThread(threading.Thread):
    """A thread for one group. It is a daemon, because a host that drops packets can block it for longer."""

    def __init__(self, group: CheckGroup, app: Flask) -> None:
        super().__init__(name="doctor", daemon=True)
        self._group = group
        self._app = app
        self._findings: list[Finding] = []
        self._error: Exception | None = None

    def run(self) -> None:
        try:
            with self._app.app_context():
                for finding in self._group.run():
                    self._findings.append(finding)  # immediately, because the next check may block
        except Exception as error:  # noqa: BLE001 (reported by `_failure`)
            self._error = error

    def findings(self) -> list[Finding]:
        """Return the findings so far, and a finding for each check that did not complete."""
        findings = list(self._findings)
        missing = [name for name in self._group.checks if name not in {finding.check for finding in findings}]
        if missing and (failure := self._failure()):
            findings.append(replace(failure, check=missing.pop(0)))
        return findings + [replace(skipped(f"{findings[-1].check} failed"), check=name) for name in missing]

    def _failure(self) -> Finding | None:
        if self.is_alive():
            return failed(f"no response within {TOTAL_TIMEOUT:.0f} seconds", "Check the network: firewalls and routes.")
        return (
            failed(
                f"check failed with {type(self._error).__name__}",
                "Fix the other findings, then run flaskauth doctor again.",
            )
            if self._error
            else None
        )


def run_doctor(create_app: Callable[[Settings], Flask], server: Flask | None = None) -> list[Finding]:
    """Return all findings about a server. Without one, load the settings and create an application without routes."""
    if server:
        return [*configuration.check_values(server.extensions[context.KEY], []), *_run_groups(server, set())]
    try:
        settings, errors = configuration.load_settings()
        app = create_app(settings)
    except Exception as error:  # noqa: BLE001 (an unreadable .env, a driver that is not installed, ...)
        return _unreadable_findings(error)
    return [
        *configuration.check_values(settings, errors),
        *_run_groups(app, configuration.settings_named_in(errors)),
    ]


def _run_groups(app: Flask, unusable: set[str]) -> list[Finding]:
    threads = {group: CheckThread(group, app) for group in GROUPS if not _missing_settings(group, unusable)}
    for thread in threads.values():
        thread.start()
    deadline = time.monotonic() + TOTAL_TIMEOUT
    for thread in threads.values():
        thread.join(max(0.0, deadline - time.monotonic()))
    _close_connections(app)
    return [
        finding
        for group in GROUPS
        for finding in (threads[group].findings() if group in threads else _skipped_findings(group, unusable))
    ]


def _skipped_findings(group: CheckGroup, unusable: set[str]) -> list[Finding]:
    reason = f"{', '.join(sorted(_missing_settings(group, unusable)))} is invalid"
    return [replace(skipped(reason), check=name) for name in group.checks]


def _missing_settings(group: CheckGroup, unusable: set[str]) -> set[str]:
    """Return the settings of a group that are invalid. An unreadable env file affects all groups."""
    env_file = find_env_file(os.environ)
    return unusable & (group.required_settings | {env_file.name if env_file else ""})


def _unreadable_findings(error: Exception) -> list[Finding]:
    """Return a failure of the check `settings`, and skip all other checks."""
    finding = failed(
        f"the settings cannot be read: {type(error).__name__}",
        "Check that this user can read .env and the secret in the instance folder,"
        " and that the database driver is installed.",
    )
    return [
        replace(finding, check="settings"),
        *(replace(skipped("the settings cannot be read"), check=name) for name in CHECK_NAMES[1:]),
    ]


def _close_connections(app: Flask) -> None:
    with app.app_context():
        dispose_engines()

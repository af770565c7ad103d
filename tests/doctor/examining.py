"""`flaskauth doctor --json`, and what it told."""

import contextlib
import json
from dataclasses import dataclass

from click.testing import CliRunner
from tests.journeys.processes import Place

from flaskauth.cli import main
from flaskauth.foundation import log


@dataclass(frozen=True)
class Told:
    """The findings of one examination, and the code that it ended with."""

    code: int
    output: str

    @property
    def findings(self) -> list[dict[str, str]]:
        found: list[dict[str, str]] = json.loads(self.output)["findings"]
        return found

    @property
    def ok(self) -> bool:
        return bool(json.loads(self.output)["ok"])

    def of(self, check: str, state: str) -> str:
        """What was found, and what is to be done about it."""
        [told] = [each for each in self.findings if (each["check"], each["state"]) == (check, state)]
        return f"{told['found']} {told['advice']}"

    def checks(self, state: str) -> set[str]:
        return {each["check"] for each in self.findings if each["state"] == state}

    def fails_only(self, check: str) -> str:
        """What the one failure says. Warnings may stand beside it; what it hides is not looked at."""
        assert self.checks("failed") == {check}, self.output
        assert (self.code, self.ok) == (1, False)
        told = self.of(check, "failed")
        assert told.partition(" ")[2]
        return told

    def warns(self, check: str) -> str:
        """What a warning says where nothing fails."""
        assert self.checks("failed") == set(), self.output
        assert (self.code, self.ok) == (0, True)
        return self.of(check, "warning")


def examined(place: Place, *options: str) -> Told:
    """In this process, whose clock a test may have moved; the environment and the folder are the place's."""
    return Told(*run(place, "--json", *options))


def run(place: Place, *options: str) -> tuple[int, str]:
    """The code that it ends with, and what it says."""
    with contextlib.chdir(place.folder):
        done = CliRunner().invoke(main, ["doctor", *options], env=dict(place.settings))
    log.configure()  # the command's log went to an output that is closed by now
    return done.exit_code, done.stdout


def examined_apart(place: Place, *options: str, code: int = 0) -> Told:
    """In a process of its own, whose standard error must stay empty too."""
    return Told(code, place.run("flaskauth", "doctor", "--json", *options, expect=code))

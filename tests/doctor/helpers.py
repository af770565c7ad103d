"""Run `flaskauth doctor` and read its report."""

import contextlib
import json
from dataclasses import dataclass

from click.testing import CliRunner
from tests.e2e.processes import Workspace

from flaskauth.cli.main import main
from flaskauth.core.observability import log


@dataclass(frozen=True)
class DoctorReport:
    """The findings and the exit code of a run."""

    exit_code: int
    output: str

    @property
    def findings(self) -> list[dict[str, str]]:
        findings: list[dict[str, str]] = json.loads(self.output)["findings"]
        return findings

    @property
    def ok(self) -> bool:
        return bool(json.loads(self.output)["ok"])

    def finding_text(self, check: str, state: str) -> str:
        """Return the text and the advice of a finding."""
        [finding] = [finding for finding in self.findings if (finding["check"], finding["state"]) == (check, state)]
        return f"{finding['found']} {finding['advice']}"

    def checks_in_state(self, state: str) -> set[str]:
        return {finding["check"] for finding in self.findings if finding["state"] == state}

    def assert_only_failure(self, check: str) -> str:
        """Check that only this check failed and return its text. Warnings and skipped checks are allowed."""
        assert self.checks_in_state("failed") == {check}, self.output
        assert (self.exit_code, self.ok) == (1, False)
        text = self.finding_text(check, "failed")
        assert text.partition(" ")[2]
        return text

    def assert_warning(self, check: str) -> str:
        """Check that nothing failed and return the text of a warning."""
        assert self.checks_in_state("failed") == set(), self.output
        assert (self.exit_code, self.ok) == (0, True)
        return self.finding_text(check, "warning")


def run_doctor(workspace: Workspace, *options: str) -> DoctorReport:
    """Run in this process, whose clock a test may have moved, with the settings of the workspace."""
    return DoctorReport(*invoke_doctor(workspace, "--json", *options))


def invoke_doctor(workspace: Workspace, *options: str) -> tuple[int, str]:
    """Run in this process and return the exit code and output."""
    with contextlib.chdir(workspace.folder):
        result = CliRunner().invoke(main, ["doctor", *options], env=dict(workspace.settings))
    log.configure()  # the command configured logging to an output that is closed now
    return result.exit_code, result.stdout


def run_doctor_process(workspace: Workspace, *options: str, code: int = 0) -> DoctorReport:
    """Run in a new process. Its standard error must be empty."""
    return DoctorReport(code, workspace.run("flaskauth", "doctor", "--json", *options, expect=code))

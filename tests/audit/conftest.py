import pytest
from flask import Flask
from tests.audit.helpers import AuditHarness


@pytest.fixture
def audit_harness(app: Flask, database: str) -> AuditHarness:
    return AuditHarness.attach(app, database)

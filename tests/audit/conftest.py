import pytest
from flask import Flask
from tests.audit.auditor import Auditor


@pytest.fixture
def auditor(app: Flask, database: str) -> Auditor:
    return Auditor.at(app, database)

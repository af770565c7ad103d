"""Allowances in one exact order: no more is granted than there is."""

from datetime import timedelta

import pytest
from flask import Flask
from tests.conftest import servers
from tests.inside import within
from tests.races.orders import interleaved

from flaskauth.foundation.db import at_once
from flaskauth.throttles import service as throttles
from flaskauth.throttles.service import Allowance, Spending

pytestmark = pytest.mark.parametrize("database", servers(), indirect=True)

KEY = throttles.key_of("test")
THREE = Allowance(3, timedelta(hours=1))


def spend(app: Flask) -> Spending:
    return within(app, lambda: at_once(throttles.spend, KEY, THREE))


def test_of_an_allowance_no_more_is_granted_than_it_has(app: Flask) -> None:
    """Whoever looked before the last ones were taken gets none."""
    assert spend(app).granted
    late, others = interleaved(app, "UPDATE budgets", lambda: spend(app), lambda: [spend(app) for _ in range(3)])
    assert [each.granted for each in (*others, late)] == [True, True, False, False]

"""A node of a cluster that is not part of the majority refuses everything: work goes to another connection."""

from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import text
from tests.conftest import servers
from tests.inside import within

from flaskauth.foundation.db import db
from flaskauth.foundation.prepared import Prepared

OUTSIDE = text("SIGNAL SQLSTATE '08S01' SET MYSQL_ERRNO = 1047, MESSAGE_TEXT = 'WSREP has not yet prepared node'")
PAST_THE_ORM = Prepared(OUTSIDE)


@pytest.mark.parametrize("database", servers(), indirect=True)
@pytest.mark.parametrize("ask", [lambda: db.session.execute(OUTSIDE), PAST_THE_ORM.changed])
def test_a_connection_to_a_node_outside_of_its_cluster_is_given_up(app: Flask, ask: Callable[[], object]) -> None:
    used: list[int] = []

    def work() -> None:
        used.append(int(db.session.execute(text("SELECT CONNECTION_ID()")).scalar_one()))
        if len(used) < 3:
            ask()

    within(app, work)

    assert len(set(used)) == 3

"""The limit that the profile is measured against: bare Flask, one read by primary key through the raw driver.

Nothing is checked, limited, logged or shown in a form. Runs under the same server as the product, with as many
processes; `DATABASE`, `HERE` and `PERSON` come from the environment.
"""

import json
import os
import threading
from typing import Any

import MySQLdb  # type: ignore[import-untyped]
from flask import Flask

ONE = "SELECT id, email, first_name, last_name, created_at FROM users WHERE id = %s"

app = Flask(__name__)
here = threading.local()
where: dict[str, Any] = json.loads(os.environ.get("BARE_DATABASE", "{}"))
person = int(os.environ.get("BARE_PERSON", "0"))


@app.get("/one")
def one() -> dict[str, Any]:
    if not hasattr(here, "connection"):
        here.connection = MySQLdb.connect(**where)
        here.connection.autocommit(True)
    cursor = here.connection.cursor()
    cursor.execute(ONE, (person,))
    row = cursor.fetchone()
    cursor.close()
    return {"user": {"id": row[0], "email": row[1], "first_name": row[2], "last_name": row[3]}}

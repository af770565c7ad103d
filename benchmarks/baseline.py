"""The upper bound of the profile operation: bare Flask with one primary-key read through the raw driver.

It has no checks, limits, logging or schemas, and runs under the same server as flaskauth with as many processes. It
reads the environment variables `BASELINE_DATABASE` and `BASELINE_USER_ID`.
"""

import json
import os
import threading
from typing import Any

import MySQLdb  # type: ignore[import-untyped]
from flask import Flask

SELECT_USER = "SELECT id, email, first_name, last_name, created_at FROM users WHERE id = %s"

app = Flask(__name__)
thread_local = threading.local()
connection_settings: dict[str, Any] = json.loads(os.environ.get("BASELINE_DATABASE", "{}"))
user_id = int(os.environ.get("BASELINE_USER_ID", "0"))


@app.get("/one")
def get_user() -> dict[str, Any]:
    if not hasattr(thread_local, "connection"):
        thread_local.connection = MySQLdb.connect(**connection_settings)
        thread_local.connection.autocommit(True)
    cursor = thread_local.connection.cursor()
    cursor.execute(SELECT_USER, (user_id,))
    row = cursor.fetchone()
    cursor.close()
    return {"user": {"id": row[0], "email": row[1], "first_name": row[2], "last_name": row[3]}}

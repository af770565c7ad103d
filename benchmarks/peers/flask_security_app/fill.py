"""Create the tables, and users who share one password hash."""

import os
import uuid

from app import User, app, db
from flask_security import hash_password
from sqlalchemy import insert

with app.app_context():
    db.create_all()
    password_hash = hash_password(os.environ["PASSWORD"])
    emails = map(os.environ["EMAIL"].format, range(int(os.environ["USER_COUNT"])))
    rows = [
        {"email": email, "password": password_hash, "active": True, "fs_uniquifier": uuid.uuid4().hex}
        for email in emails
    ]
    db.session.execute(insert(User), rows)
    db.session.commit()

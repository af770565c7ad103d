"""The tables, and people who share one password and its one hash."""

import os
import uuid

from app import User, app, db
from flask_security import hash_password
from sqlalchemy import insert

with app.app_context():
    db.create_all()
    hashed = hash_password(os.environ["PASSWORD"])
    emails = map(os.environ["EMAIL"].format, range(int(os.environ["PEOPLE"])))
    people = [
        {"email": email, "password": hashed, "active": True, "fs_uniquifier": uuid.uuid4().hex} for email in emails
    ]
    db.session.execute(insert(User), people)
    db.session.commit()

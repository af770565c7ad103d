"""The tables, and people who share one password and its one hash."""

import asyncio
import os

from app import Base, User, engine, password_helper
from sqlalchemy import insert


async def fill() -> None:
    hashed = password_helper().hash(os.environ["PASSWORD"])
    emails = map(os.environ["EMAIL"].format, range(int(os.environ["PEOPLE"])))
    states = {"is_active": True, "is_superuser": False, "is_verified": True}
    people = [{"email": email, "hashed_password": hashed, **states} for email in emails]
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
        await connection.execute(insert(User), people)
    await engine.dispose()


asyncio.run(fill())

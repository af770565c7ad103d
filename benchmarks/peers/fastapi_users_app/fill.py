"""Create the tables, and users who share one password hash."""

import asyncio
import os

from app import Base, User, engine, password_helper
from sqlalchemy import insert


async def fill() -> None:
    password_hash = password_helper().hash(os.environ["PASSWORD"])
    emails = map(os.environ["EMAIL"].format, range(int(os.environ["USER_COUNT"])))
    flags = {"is_active": True, "is_superuser": False, "is_verified": True}
    rows = [{"email": email, "hashed_password": password_hash, **flags} for email in emails]
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
        await connection.execute(insert(User), rows)
    await engine.dispose()


asyncio.run(fill())

"""Make tests fast without changing what they test: cheap hashes, shared connection pools, jobs without delay.

A test whose subject is the hash or the pool itself uses the fixture `real_argon2` or `own_engines`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from itertools import count
from types import MethodType
from typing import Any
from weakref import WeakSet

import flask_sqlalchemy_lite._extension as extension
import pytest
from pwdlib.hashers.argon2 import Argon2Hasher
from pymysql.connections import Connection  # type: ignore[import-untyped]
from sqlalchemy import Engine, create_engine
from werkzeug.routing import Rule

from flaskauth.core import clock
from flaskauth.core.db import engine as engines
from flaskauth.core.jobs import background
from flaskauth.core.passwords import hashes, hashing

CHEAP = Argon2Hasher(memory_cost=8, time_cost=1, parallelism=1, hash_len=32, salt_len=16)  # the least Argon2 allows
REAL = hashes.ARGON2

_make_engines = extension._make_engines  # type: ignore[attr-defined]
_add_listeners = engines.add_listeners
_shared: dict[tuple[str, ...], dict[str, Engine]] = {}
_with_listeners: WeakSet[Engine] = WeakSet()


@contextmanager
def use_hasher(hasher: Argon2Hasher) -> Iterator[None]:
    """Hash passwords with these parameters."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hashes, "ARGON2", hasher)
        patch.setattr(hashes, "DECOY_HASH", hasher.hash("decoy", salt=b"decoy-decoy-deco"))
        yield


@contextmanager
def allow_long_hash_queue() -> Iterator[None]:
    """Let a slow machine reject no sign-in with 503: the queue of hashes may take a minute."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hashing, "MAX_QUEUE_SECONDS", 60)
        yield


@contextmanager
def stop_clock() -> Iterator[None]:
    """Stop the clock of this process at a whole second, so that requests have equal times, however long they take.

    Each reading takes one millisecond, because ids are made of the milliseconds. `clock.travel` works as usual.
    """
    readings = count()
    start = (clock.now() - clock._offset).replace(microsecond=0) + timedelta(seconds=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clock, "now", lambda: start + timedelta(milliseconds=next(readings)) + clock._offset)
        yield


@contextmanager
def start_jobs_immediately() -> Iterator[None]:
    """Run background jobs as soon as they are enqueued. The delay protects against timing attacks, which are no test's
    subject here: `make test-slow SUITE=timing` measures them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(background, "START_DELAY", 0.0)
        yield


@contextmanager
def share_compiled_rules() -> Iterator[None]:
    """Compile each URL rule once for all applications; werkzeug compiles it for each (half of the time that
    `create_app` takes)."""
    compile_rule = Rule.compile
    compiled: dict[str, Rule] = {}

    def compile_once(rule: Rule) -> None:
        is_host_matching = rule.map.host_matching
        key = repr((rule.rule, rule.subdomain, rule.host, rule.defaults, rule.merge_slashes, is_host_matching))
        if key not in compiled:
            compile_rule(rule)
            compiled[key] = rule
        same = compiled[key]
        rule._parts, rule._trace, rule._converters = same._parts, same._trace, same._converters
        rule.arguments.update(same.arguments)
        rule._build = MethodType(same._build.__func__, rule)  # type: ignore[attr-defined]
        rule._build_unknown = MethodType(same._build_unknown.__func__, rule)  # type: ignore[attr-defined]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Rule, "compile", compile_once)
        yield


@contextmanager
def share_tls_contexts() -> Iterator[None]:
    """Load the system's certificates once for all connections to a database; PyMySQL does it for each (30 ms)."""
    create, default = Connection._create_ssl_ctx, Connection._create_ssl_ctx(None, {})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Connection, "_create_ssl_ctx", lambda self, given: create(self, given) if given else default)
        yield


@contextmanager
def share_engines() -> Iterator[None]:
    """Give applications with the same engine options the same engines, so that connections are made once."""

    def make(app: Any, base: dict[str, Any], is_async: bool) -> dict[str, Engine]:
        options = app.config.get("SQLALCHEMY_ENGINES", {})
        if is_async or any("sqlite" in str(each["url"]) for each in options.values()):
            made: dict[str, Engine] = _make_engines(app, base, is_async)  # type: ignore[call-overload]
            for name, engine in made.items():
                _share_compiled_statements(engine, options[name].get("isolation_level"))
            return made
        key = tuple(f"{name} {each['url'].render_as_string(False)} {each}" for name, each in sorted(options.items()))
        if key not in _shared:
            _shared[key] = _make_engines(app, base, is_async)
        return dict(_shared[key])

    def add_listeners(engine: Engine) -> None:
        if engine not in _with_listeners:
            _with_listeners.add(engine)
            _add_listeners(engine)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(extension, "_make_engines", make)
        patch.setattr(engines, "add_listeners", add_listeners)
        yield
        for each in _shared.values():
            for engine in each.values():
                engine.dispose()
        _shared.clear()


def _share_compiled_statements(engine: Engine, isolation_level: str | None) -> None:
    """Use the SQL that was compiled for earlier SQLite databases. The cache belongs to a dialect and an engine."""
    if engine.dialect.name == "sqlite":
        source = _sqlite_engine(isolation_level)
        engine.dialect, engine._compiled_cache = source.dialect, source._compiled_cache


@cache
def _sqlite_engine(isolation_level: str | None) -> Engine:
    options = {"isolation_level": isolation_level} if isolation_level else {}
    engine = create_engine("sqlite://", **options)
    engine.connect().close()  # initializes the dialect
    return engine


@contextmanager
def unshare_engines() -> Iterator[None]:
    """Give each application engines of its own again."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(extension, "_make_engines", _make_engines)
        yield

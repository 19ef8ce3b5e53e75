"""A master key is changed under a hundred thousand users, killed twice on the way. SECURITY 123; RELIABILITY 38."""

import hashlib
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import NullPool, create_engine, func, insert, select
from sqlalchemy.engine import Connection

from tests.keys.test_rewrap import BOTH, NEW_KEY, MakeApp, assert_all_readable, customer, entries, operate, values
from tests.support.commands import environment, start_flask
from tests.support.databases import POSTGRESQL, SQLITE
from user_service import clock
from user_service.auth.models import User
from user_service.database import fetch_all, new_id, transaction
from user_service.keys.models import SealedDataKey, SealedSigningKey, ServiceSecret
from user_service.keys.service import open_data_key
from user_service.profile.models import Profile
from user_service.runtime import runtime
from user_service.security.vault import MasterKeys, binding

FIELDS = ("phone", "phone_e164", "shipping_address")
MANY = {SQLITE: 10_000, POSTGRESQL: 100_000}
STEP = 5_000


def left_under_the_old_key(connection: Connection) -> int:
    table = SealedDataKey.__table__
    count = connection.scalar(select(func.count()).select_from(table).where(table.c.master_key_id != "test-2"))
    connection.rollback()
    return int(count or 0)


def kill_in_the_middle(url: str, enough: int) -> int:
    """Start the command, and kill it when no more than `enough` keys are left; returns how many those are."""
    process = start_flask("vault", "rotate-master", database_url=url, env=environment(url, MASTER_KEYS=entries(BOTH)))
    with create_engine(url, poolclass=NullPool).connect() as connection:
        while left_under_the_old_key(connection) > enough and process.poll() is None:
            pass
        process.kill()
        process.communicate()
        left = left_under_the_old_key(connection)
    assert 0 < left <= enough, "it was to be killed in the middle"
    return left


def add_many(app: Flask, count: int) -> None:
    """So many people, each with a data key and a sealed profile; written as rows, for the time it takes."""
    with app.app_context():
        master_keys = runtime().key_ring.master_keys
        for start in range(0, count, STEP):
            people = [rows_of_one(master_keys, number) for number in range(start, min(start + STEP, count))]
            with transaction() as session:
                for table, rows in zip((User, SealedDataKey, Profile), zip(*people, strict=True), strict=True):
                    session.execute(insert(table.__table__), list(rows))


def rows_of_one(master_keys: MasterKeys, number: int) -> tuple[dict[str, Any], ...]:
    """Of one person: the account, to which no password leads; the data key; the profile."""
    user_id, key_id, now = new_id(), new_id(), clock.now()
    data_key, master_key_id, wrapped = master_keys.new_data_key(key_id, user_id)
    name = f"many{number}"
    times = {"created_at": now, "updated_at": now}
    user = {
        "id": user_id,
        **dict.fromkeys(("username", "username_key"), name),
        **dict.fromkeys(("email", "email_key"), f"{name}@example.com"),
        **dict.fromkeys(("password_hash", "password_scheme"), "none"),
        "password_changed_at": now,
        **times,
    }
    key = {"user_id": user_id, "key_id": key_id, "master_key_id": master_key_id, "wrapped_key": wrapped}
    sealed = {
        f"sealed_{field}": data_key.seal(f"{field} of {name}", binding("profiles", field, user_id)) for field in FIELDS
    }
    return user, {**key, "created_at": now}, {"user_id": user_id, "name": name, **sealed, **times}


def assert_every_field_opens(app: Flask, count: int) -> None:
    """Of everybody, under the keys that the application has; and what is written there is what was written."""
    users, keys, profiles = (model.__table__ for model in (User, SealedDataKey, Profile))
    columns = (keys.c.user_id, keys.c.key_id, keys.c.master_key_id, keys.c.wrapped_key)
    query = select(*columns, users.c.username, *(profiles.c[f"sealed_{field}"] for field in FIELDS))
    joined = keys.join(users, users.c.id == keys.c.user_id).join(profiles, profiles.c.user_id == users.c.id)
    seen = 0
    with app.app_context():
        for row in fetch_all(query.select_from(joined).where(users.c.username.startswith("many"))):
            data_key = open_data_key(*row[:4])
            for field, envelope in zip(FIELDS, row[5:], strict=True):
                assert data_key.open(envelope, binding("profiles", field, row.user_id)) == f"{field} of {row.username}"
            seen += 1
    assert seen == count


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_killed_twice_in_the_middle_and_run_again_it_finishes(make_app: MakeApp, database_url: str, kind: str) -> None:
    """SECURITY 123, RELIABILITY 38: SIGKILL, a hundred thousand users; people are served at every moment."""
    app, both = make_app(), make_app(master_keys=BOTH)
    person = customer(app)
    add_many(app, MANY[kind])
    before = digest_of_values(app)
    for part in (2, 3):
        left = kill_in_the_middle(database_url, MANY[kind] // part)
        assert left > 1
        assert_all_readable(both, person)
    assert "Nothing is left under an old master key." in operate(database_url, "vault", "rotate-master")
    alone = make_app(master_keys=NEW_KEY)
    with alone.app_context():
        for model in (SealedDataKey, SealedSigningKey, ServiceSecret):
            table = model.__table__
            assert {row.master_key_id for row in fetch_all(select(table.c.master_key_id).distinct())} == {"test-2"}
    assert digest_of_values(alone) == before, "no sealed value is touched"
    assert_every_field_opens(alone, MANY[kind])
    assert_all_readable(alone, person)


def digest_of_values(app: Flask) -> str:
    """Of all that is sealed by data keys, as it lies in the database."""
    return hashlib.sha256(repr(values(app)).encode()).hexdigest()

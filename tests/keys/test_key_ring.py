"""The keys of a running service: made once, shared by all nodes, read anew. SECURITY 30, 31, 76, 123, 124."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask
from sqlalchemy import delete, func, select, update

from tests.support.crowd import at_once
from tests.support.databases import MASTER_KEYS
from tests.support.people import Client, InProcess
from user_service import clock
from user_service.database import fetch_all, fetch_one, transaction
from user_service.keys.models import SealedDataKey, SealedSigningKey, ServiceSecret
from user_service.keys.ring import CURSOR_KEY, PEPPER, PURPOSES, KeyRing, Keys, add_signing_key
from user_service.runtime import runtime
from user_service.security.vault import MasterKeyMissing, MasterKeyWrong, binding

MakeApp = Callable[..., Flask]
NEW_KEY = {"test-2": bytes(range(100, 132))}
SECOND = timedelta(seconds=1)


@contextmanager
def ring_of(app: Flask) -> Iterator[KeyRing]:
    with app.app_context():
        yield runtime().key_ring


def keys_of(app: Flask) -> Keys:
    with ring_of(app) as ring:
        return ring.get()


def forget_all_keys(app: Flask) -> None:
    with app.app_context(), transaction() as session:
        session.execute(delete(ServiceSecret))
        session.execute(delete(SealedSigningKey))


def count(app: Flask, model: Any) -> int:
    with app.app_context():
        row = fetch_one(select(func.count()).select_from(model.__table__))
        assert row is not None
        return int(row[0])


def add_secret(app: Flask, purpose: str, secret: bytes = b"n" * 48) -> str:
    """A secret one second younger than those that are there; returns its id."""
    with ring_of(app) as ring, transaction() as session:
        key_id, envelope = ring.master_keys.seal(secret, binding("service_secrets", "sealed_secret", "added"))
        session.add(
            ServiceSecret(
                id="added",
                purpose=purpose,
                master_key_id=key_id,
                sealed_secret=envelope,
                created_at=clock.now() + SECOND,
            )
        )
    return "added"


def make_stale(ring: KeyRing) -> None:
    """As if the keys had been read an hour ago."""
    keys = ring.get()
    ring._keys = replace(keys, loaded_at=keys.loaded_at - 3600)


def test_all_nodes_on_one_database_have_the_same_keys(make_app: MakeApp) -> None:
    first, second = keys_of(make_app()), keys_of(make_app())
    assert first.cursor_key == second.cursor_key
    assert set(first.signing_keys) == set(second.signing_keys)
    assert second.hasher.verify("plum tractor", *first.hasher.hash("plum tractor"))


def test_nodes_that_start_together_make_one_set_of_keys(make_app: MakeApp) -> None:
    apps = [make_app() for _ in range(4)]
    forget_all_keys(apps[0])
    loaded = at_once(len(apps), lambda index: keys_of(apps[index]))
    assert len({keys.cursor_key for keys in loaded}) == 1
    assert len({frozenset(keys.signing_keys) for keys in loaded}) == 1
    assert count(apps[0], SealedSigningKey) == 1
    assert count(apps[0], ServiceSecret) == len(PURPOSES)


def test_what_is_missing_is_made_and_what_is_there_stays(make_app: MakeApp) -> None:
    app = make_app()
    before = keys_of(app)
    with app.app_context(), transaction() as session:
        session.execute(delete(ServiceSecret).where(ServiceSecret.purpose == CURSOR_KEY))
    after = keys_of(make_app())
    assert after.cursor_key != before.cursor_key
    assert set(after.signing_keys) == set(before.signing_keys)
    assert after.hasher.verify("plum tractor", *before.hasher.hash("plum tractor"))


def test_every_secret_lies_sealed_under_a_master_key(app: Flask) -> None:
    """SECURITY 31: the pepper is in the database only as an envelope bound to its row."""
    keys = keys_of(app)
    with app.app_context():
        rows = fetch_all(select(ServiceSecret.__table__))
        signing = fetch_all(select(SealedSigningKey.__table__))
    assert {row.purpose for row in rows} == set(PURPOSES)
    assert {row.master_key_id for row in (*rows, *signing)} == set(MASTER_KEYS)
    stored = b"".join([row.sealed_secret for row in rows] + [row.sealed_private_key for row in signing])
    private = [key.private_bytes() for key in keys.signing_keys.values()]
    assert not [secret for secret in (keys.cursor_key, *private) if secret in stored]


def test_a_secret_of_a_later_release_stops_no_earlier_one(make_app: MakeApp) -> None:
    """While nodes are replaced one by one, old ones read a database in which new ones have made their secrets."""
    app = make_app()
    add_secret(app, "purpose_of_a_later_release")
    assert keys_of(make_app()).cursor_key == keys_of(app).cursor_key


def test_the_youngest_pepper_hashes_and_the_older_ones_verify(make_app: MakeApp) -> None:
    """SECURITY 30."""
    app = make_app()
    stored = keys_of(app).hasher.hash("plum tractor")
    pepper_id = add_secret(app, PEPPER)
    hasher = keys_of(make_app()).hasher
    assert hasher.verify("plum tractor", *stored)
    assert hasher.needs_rehash(*stored)
    assert hasher.hash("plum tractor")[1].endswith(f":{pepper_id}")


def test_keys_are_read_anew_when_they_are_old_and_not_before(app: Flask) -> None:
    with ring_of(app) as ring:
        first = ring.get()
        assert ring.get() is first
        make_stale(ring)
        second = ring.get()
        assert second is not first
        assert second.hasher is first.hasher, "a hasher costs a hash to make, so it is kept while the peppers stay"
        add_secret(app, PEPPER)
        make_stale(ring)
        assert ring.get().hasher is not first.hasher


def test_a_key_made_elsewhere_is_found_by_its_id_at_once(make_app: MakeApp) -> None:
    """SECURITY 76: no node has to be restarted."""
    here, elsewhere = make_app(), make_app()
    with ring_of(elsewhere) as ring, transaction() as session:
        kid = add_signing_key(session, ring.master_keys, activates_at=clock.now()).kid
    with ring_of(here) as ring:
        key = ring.verification_key(kid)
        assert key is not None
        assert key.kid == kid


def test_unknown_key_ids_are_looked_for_every_two_seconds_at_most(app: Flask) -> None:
    """Tokens with made-up key ids cost the database nothing."""
    with ring_of(app) as ring:
        assert ring.verification_key("made-up") is None
        keys = ring.get()
        assert [ring.verification_key(f"made-up-{number}") for number in range(50)] == [None] * 50
        assert ring.get() is keys


def test_an_expired_key_verifies_nothing_and_is_published_no_more(app: Flask) -> None:
    with ring_of(app) as ring, time_machine.travel(clock.now(), tick=False) as time:
        [kid] = ring.get().signing_keys
        with transaction() as session:
            session.execute(update(SealedSigningKey).values(expires_at=clock.now() + 60 * SECOND))
            younger = add_signing_key(session, ring.master_keys, activates_at=clock.now() + 10 * SECOND).kid
        make_stale(ring)
        assert [key.kid for key in ring.published()] == [younger, kid]
        assert ring.verification_key(kid) is not None
        time.shift(60 * SECOND)
        assert [key.kid for key in ring.published()] == [younger]
        assert ring.verification_key(kid) is None


def test_the_youngest_active_key_signs(app: Flask) -> None:
    with ring_of(app) as ring:
        [kid] = ring.get().signing_keys
        now = clock.now()
        with transaction() as session:
            coming = add_signing_key(session, ring.master_keys, activates_at=now + 60 * SECOND).kid
        make_stale(ring)
        assert ring.get().current_signing_key(now).kid == kid
        assert ring.get().current_signing_key(now + 60 * SECOND).kid == coming


def test_a_node_whose_clock_is_behind_signs_with_the_key_that_is_there(make_app: MakeApp) -> None:
    """Clocks may disagree by ten seconds; a node must not fail because its neighbour made the first key just now."""
    app = make_app()
    forget_all_keys(app)
    made_at = clock.now()
    keys_of(app)
    with time_machine.travel(made_at - 5 * SECOND, tick=False):
        person = Client(InProcess(make_app())).join()
    assert person.get("/sessions").status == 200


def test_a_new_master_key_in_front_seals_what_is_new_and_opens_what_is_old(make_app: MakeApp) -> None:
    """SECURITY 123."""
    client = Client(InProcess(make_app())).join()
    later = make_app(master_keys={**NEW_KEY, **MASTER_KEYS})
    same = Client(InProcess(later))
    assert same.log_in(client.username, client.password).status == 200
    newcomer = Client(InProcess(later)).join()
    assert {count(later, model) for model in (SealedDataKey, SealedSigningKey)} == {2, 1}
    with later.app_context():
        wrapped = fetch_all(select(SealedDataKey.__table__.c.master_key_id))
    assert sorted(row.master_key_id for row in wrapped) == ["test-1", "test-2"]
    assert newcomer.get("/sessions").status == 200


@pytest.mark.parametrize(
    ("master_keys", "failure"),
    [(NEW_KEY, MasterKeyMissing), ({"test-1": bytes(range(100, 132))}, MasterKeyWrong)],
    ids=["missing", "replaced"],
)
def test_without_the_right_master_key_a_node_is_not_ready(
    make_app: MakeApp, master_keys: dict[str, bytes], failure: type[Exception]
) -> None:
    """SECURITY 124: it makes no keys of its own, and says what fails."""
    app = make_app(master_keys=master_keys)
    with pytest.raises(failure):
        keys_of(app)
    answer = Client(InProcess(app)).get("/readyz")
    assert (answer.status, answer.fault_codes()) == (503, {"/keys": "service_unavailable"})
    assert answer.headers["Retry-After"]
    assert Client(InProcess(app)).log_in("maria", "plum tractor sings low").status == 503
    assert count(app, SealedSigningKey) == 1

"""Unmistakable values go through every endpoint while Redis counts; it learns none of them. SECURITY 127."""

from collections.abc import Callable

from flask import Flask
from redis import Redis

from tests.support.hostile import ON_ONE_DATABASE
from tests.support.redis import throwaway_redis
from tests.test_canary import (
    NEW_MAILBOX,
    READABLE,
    SECRET,
    correspond,
    found,
    knock_everywhere,
    log_in_after_mistakes,
    manage,
    serve_the_company,
    shop,
)
from user_service.doors import LIMIT_NAMES, Rate

SNAPSHOT = "snapshot.rdb"


@ON_ONE_DATABASE
def test_redis_learns_nothing_of_a_person(make_app: Callable[..., Flask]) -> None:
    """Neither a name nor an address, in no key, in no value and in no snapshot of it."""
    many = {name: Rate(100_000, 3600) for name in LIMIT_NAMES}
    with throwaway_redis(dbfilename=SNAPSHOT, rdbcompression="no") as server:
        app = make_app(redis_url=server.url, ratelimit_enabled=True, limits=many)
        client = log_in_after_mistakes(app)
        shop(client)
        manage(client)
        mailed = correspond(app, client)
        secret = serve_the_company(app, client)
        knock_everywhere(app, client)
        with Redis(unix_socket_path=str(server.socket)) as connection:
            keys = connection.keys()
            values = [connection.dump(key) for key in keys]
            connection.save()
        everything = b"".join([*keys, *values, (server.directory / SNAPSHOT).read_bytes()])
    assert len(keys) > 5
    assert everything.count(keys[0]) > 1, "it stands in the snapshot too"
    hidden = SECRET | READABLE | client.transport.tokens | mailed | {secret, NEW_MAILBOX, "127.0.0.1"}
    assert found(hidden, everything) == []

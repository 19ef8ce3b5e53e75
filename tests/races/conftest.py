"""The service over sockets: two workers on SQLite, two nodes with two workers each on PostgreSQL."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.support.crowd import Cluster
from tests.support.databases import POSTGRESQL, PUBLIC_URL, SQLITE, Databases
from tests.support.people import Client
from tests.support.server import serving

NODES = {SQLITE: 1, POSTGRESQL: 2}
# As many connections as production has: crowds of forty want to write.
ENVIRONMENT = {"PUBLIC_URL": PUBLIC_URL, "RATELIMIT_ENABLED": "false", "DATABASE_POOL_SIZE": "8"}
FORBIDDEN = ("request.failed", "database is locked", "Traceback", "deadlock", "WORKER TIMEOUT", '"status": 5')


@pytest.fixture(scope="session", params=[SQLITE, POSTGRESQL])
def running_cluster(request: pytest.FixtureRequest, databases: Databases) -> Iterator[Cluster]:
    """Started once for all races: each test brings people of its own."""
    with ExitStack() as stack:
        url = stack.enter_context(databases.copy(request.param))
        nodes = [stack.enter_context(serving(url, **ENVIRONMENT)) for _ in range(NODES[request.param])]
        yield Cluster(url, nodes)


@pytest.fixture
def cluster(running_cluster: Cluster) -> Iterator[Cluster]:
    """In no race may any node fail, whatever the clients were told: its log says so after each test."""
    before = [len(node.log()) for node in running_cluster.nodes]
    yield running_cluster
    for node, start in zip(running_cluster.nodes, before, strict=True):
        written = node.log()[start:]
        assert not [sign for sign in FORBIDDEN if sign in written], written


@pytest.fixture
def person(cluster: Cluster) -> Client:
    """Somebody registered and logged in."""
    return cluster.client().join()

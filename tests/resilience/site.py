"""What a company runs: two nodes on one database behind the shipped proxy, and customers."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from tests.resilience.audit import losses
from tests.resilience.ledger import Ledger, customers_of
from tests.support.proxy import ENVIRONMENT, Proxy, proxying, require_nginx
from tests.support.server import Node, serving

CUSTOMERS = 6
FAILURES = ("request.failed", "Traceback", "database is locked", "vault.integrity")


@dataclass
class Site:
    database_url: str
    nodes: list[Node]
    proxy: Proxy

    @contextmanager
    def under_load(self, customers: int = CUSTOMERS) -> Iterator[Ledger]:
        """Customers at work. When the block ends they finish, and the ledger is audited."""
        with customers_of([self.proxy.transport() for _ in range(customers)]) as ledger:
            yield ledger
        sys.stdout.write(ledger.summary())
        assert not ledger.complaints, ledger.complaints[:10]
        for node in self.nodes:
            assert node.wait_until_ready(), node.log()[-2000:]
        found = losses(ledger, self.nodes, self.database_url)
        assert not found, found[:20]

    def assert_no_node_failed(self) -> None:
        """No 500, whatever broke: the logs say so."""
        for node in self.nodes:
            log = node.log()
            assert not [sign for sign in FAILURES if sign in log], log[-8000:]


@contextmanager
def site_on(database_url: str, *, workers: int = 2, **environment: str) -> Iterator[Site]:
    require_nginx()
    with ExitStack() as stack:
        variables = {**ENVIRONMENT, **environment}
        nodes = [stack.enter_context(serving(database_url, workers=workers, **variables)) for _ in range(2)]
        proxy = stack.enter_context(proxying(nodes))
        site = Site(database_url, nodes, proxy)
        yield site
        site.assert_no_node_failed()

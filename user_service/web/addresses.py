"""Where a request comes from. Forwarded addresses count only as far as TRUSTED_PROXIES says (`web/hooks.py`)."""

from contextlib import suppress
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address

from flask import request

from user_service.security import networks

Address = IPv4Address | IPv6Address


def client_address() -> Address | None:
    """The client's address; None where there is none, as on a Unix socket, or where a proxy forwards no address."""
    return parse_address(request.remote_addr or "")


@lru_cache(maxsize=1024)
def parse_address(text: str) -> Address | None:
    """Read an address as proxies write it: with a port, in brackets, with a zone. IPv4 in IPv6 is IPv4 (RFC 4291)."""
    text = text.strip()
    if text.startswith("["):
        text, bracket, _port = text[1:].partition("]")
        text = text if bracket else ""
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    with suppress(ValueError):
        address = ip_address(text.partition("%")[0])
        return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address
    return None


def network_of(address: Address | None) -> str:
    """Whose address it is, as far as counting goes: of IPv6 the network, for all of it is one customer's."""
    return networks.network_of(str(address)) or "unknown"

"""The network that an address belongs to, as far as one customer of a provider is given it."""

import ipaddress

IPV6_PREFIX = 64


def network_of(address: str | None) -> str | None:
    """An IPv4 address as it is; of IPv6 the /64 (RFC 6177). None for what is no address."""
    try:
        parsed = ipaddress.ip_address(address or "")
    except ValueError:
        return None
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed.packed, IPV6_PREFIX), strict=False))
    return str(parsed)

"""Keyed digests of random secrets: who can read or write the database still cannot forge a secret."""

import hmac


def keyed_digest(key: bytes, purpose: str, secret: str) -> bytes:
    """HMAC-SHA-256 of a secret with at least 128 random bits, bound to its purpose. 32 bytes.

    What has fewer bits, such as a username, is hidden from whoever lacks the key, and from nobody else.
    """
    return hmac.digest(key, f"{purpose}|{secret}".encode(), "sha256")

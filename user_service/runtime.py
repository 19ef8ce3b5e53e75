"""What one application holds for its life, for the layers that know no Flask."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

from user_service.counting import Counter
from user_service.extensions import application_state
from user_service.keys.ring import KeyRing
from user_service.principal import AccessClaims
from user_service.security.hashing import HashingPool
from user_service.security.verified_tokens import VerifiedTokens
from user_service.settings import Settings


@dataclass(frozen=True, slots=True)
class Runtime:
    """`verify_access_token` is put in by `create_app`: tokens belong to a feature, and `web/` knows none.

    `verified_tokens` are access tokens by their text, `minted_tokens` refresh tokens of this process by their digest.
    """

    settings: Settings
    key_ring: KeyRing
    verify_access_token: Callable[[str], AccessClaims]
    counter: Counter
    hashing: HashingPool
    verified_tokens: VerifiedTokens[AccessClaims] = field(default_factory=VerifiedTokens)
    minted_tokens: VerifiedTokens[Any] = field(default_factory=VerifiedTokens)


def runtime() -> Runtime:
    """The runtime of the running application. Raises RuntimeError outside an application context."""
    return cast(Runtime, application_state())

"""Who a request acts as."""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Principal:
    """A user proven by an access token whose session is open."""

    user_id: UUID
    session_id: UUID
    username: str
    email: str


@dataclass(frozen=True, slots=True)
class AccessClaims:
    """What a verified access token says. Whether its session is open is the database's to say."""

    user_id: UUID
    session_id: UUID
    generation: int

"""What the contract says of tokens and sessions (Refresh, Revocation; decision 2), as a model.

It knows no database, no token and no clock but its own. Like tokens it counts whole seconds: a moment is inside the
grace up to and with its last second, so that nobody gets less than all of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

MINUTE, DAY = 60, 86_400
ACCESS_LIFE, REFRESH_LIFE, SESSION_LIFE = 15 * MINUTE, 7 * DAY, 30 * DAY
GRACE, LEEWAY = 30, 10


@dataclass(frozen=True)
class Grant:
    """One pair of tokens. Grants of one session and one generation are one successor, handed out again."""

    session: Session
    generation: int
    access_expires_at: int
    refresh_expires_at: int


@dataclass(eq=False)
class Session:
    """One log-in. Its first pair replaces nothing, so there is nothing to confirm."""

    ends_at: int
    issued_at: int
    generation: int = 1
    is_open: bool = True
    is_confirmed: bool = True
    is_replayed: bool = False
    access_floor: int = 0

    def advance(self, now: int) -> None:
        self.generation, self.issued_at, self.is_confirmed = self.generation + 1, now, False
        if self.is_replayed:
            self.access_floor, self.is_replayed = self.generation, False

    def grant(self, now: int) -> Grant:
        """The present pair; its access token is given a new life where that has run out."""
        access_ends, refresh_ends = (min(self.issued_at + life, self.ends_at) for life in (ACCESS_LIFE, REFRESH_LIFE))
        if access_ends <= now:
            access_ends = min(now + ACCESS_LIFE, self.ends_at)
        return Grant(self, self.generation, access_ends, refresh_ends)


@dataclass
class Account:
    """One person's sessions. Every refusal is the code of a 401."""

    now: int = 0
    sessions: list[Session] = field(default_factory=list)

    def log_in(self) -> Grant:
        self.sessions.append(Session(self.now + SESSION_LIFE, self.now))
        return self.sessions[-1].grant(self.now)

    def use(self, grant: Grant) -> str | None:
        """Present the access token: why it is refused. Where it is not, the first use confirms its generation."""
        session = grant.session
        if self.now >= grant.access_expires_at + LEEWAY:
            return "token_expired"
        if not session.is_open or grant.generation < session.access_floor:
            return "token_revoked"
        session.is_confirmed = session.is_confirmed or grant.generation == session.generation
        return None

    def refresh(self, grant: Grant) -> Grant | str:
        """Present the refresh token: what it is exchanged for, or why it is refused."""
        session, age = grant.session, self.now - grant.session.issued_at
        if self.now >= grant.refresh_expires_at + LEEWAY:
            return "token_expired"
        if not session.is_open:
            return "token_revoked"
        if self.now >= session.ends_at:
            return "token_expired"
        if grant.generation == session.generation:
            session.advance(self.now)
        elif grant.generation == session.generation - 1 and (age <= GRACE or not session.is_confirmed):
            session.is_replayed = session.is_replayed or age > GRACE
        else:
            session.is_open = False
            return "refresh_token_reused"
        return session.grant(self.now)

    def log_out(self, grant: Grant, token_expires_at: int) -> str | None:
        """Any genuine token of the session ends it, whether it is spent, revoked or neither."""
        if self.now >= token_expires_at + LEEWAY:
            return "token_expired"
        grant.session.is_open = False
        return None

    def close_all(self) -> None:
        for session in self.sessions:
            session.is_open = False

    def living(self) -> list[Session]:
        """The sessions that can still be refreshed, newest first."""
        return [s for s in reversed(self.sessions) if s.is_open and s.grant(self.now).refresh_expires_at > self.now]

"""The doors that take a token, and the proof that none of many tokens opens one (SECURITY 68, 73, 74)."""

import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from tests.support.people import Answer, Client

SLOW_SECONDS = 1.0
CHALLENGE = re.compile(r'Bearer realm="[^"]+", error="invalid_token"(, error_description="[^"]+")?')


@dataclass(frozen=True)
class Door:
    """`kind` is the type of token that belongs here."""

    name: str
    kind: str
    send: Callable[[Client, str], Answer]


@dataclass(frozen=True)
class Attempt:
    """One token to be refused: with `code` where its kind belongs, as invalid elsewhere."""

    name: str
    kind: str
    token: str
    code: str = "invalid_token"


def bearer(token: str) -> dict[str, str]:
    """The header as a server hands it on: its bytes read as Latin-1 (PEP 3333)."""
    return {"Authorization": f"Bearer {token}".encode().decode("latin-1")}


PROFILE_DOOR = Door("GET /profile/me", "access", lambda client, token: client.get("/profile/me", headers=bearer(token)))
REFRESH_DOOR = Door(
    "POST /token/refresh",
    "refresh",
    lambda client, token: client.post("/token/refresh", {"old_refresh_token": token}, auth=False),
)
LOGOUT_DOORS = (
    Door("POST /logout by header", "access", lambda client, token: client.post("/logout", headers=bearer(token))),
    Door(
        "POST /logout by body",
        "refresh",
        lambda client, token: client.post("/logout", {"refresh_token": token}, auth=False),
    ),
)
DOORS = (PROFILE_DOOR, REFRESH_DOOR, *LOGOUT_DOORS)


def assert_none_gets_in(victim: Client, attempts: Iterable[Attempt]) -> None:
    """Every attempt is refused at every door, in time, as the contract says; and the victim notices nothing."""
    complaints = [
        f"{attempt.name} ({attempt.kind}) at {door.name}: {complaint}"
        for attempt in attempts
        for door in DOORS
        if (complaint := complaint_about(victim, door, attempt))
    ]
    assert not complaints, f"{len(complaints)} of them:\n" + "\n".join(complaints[:30])
    assert_still_in(victim)


def complaint_about(client: Client, door: Door, attempt: Attempt) -> str | None:
    # Counted in CPU time, so that a busy machine makes no answer slow.
    started = time.thread_time()
    answer = door.send(client, attempt.token)
    seconds = time.thread_time() - started
    if answer.status != 401:
        return f"{answer.status} {answer.text[:200]}"
    expected = attempt.code if attempt.kind == door.kind else "invalid_token"
    if answer.code != expected:
        return f"{answer.code}, not {expected}"
    if not is_challenge(answer):
        return f"WWW-Authenticate: {answer.headers.get('WWW-Authenticate')}"
    return f"{seconds:.1f} s" if seconds >= SLOW_SECONDS else None


def is_challenge(answer: Answer) -> bool:
    """RFC 6750, 3: the same for every bad token but for the description."""
    return bool(CHALLENGE.fullmatch(answer.headers.get("WWW-Authenticate", "")))


def assert_still_in(victim: Client) -> None:
    """Both genuine tokens work, and so do those that follow them."""
    assert victim.get("/profile/me").status == 200
    assert victim.refresh().status == 200
    assert victim.get("/profile/me").status == 200

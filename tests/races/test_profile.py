"""Many writers of one profile and of one payment information. RELIABILITY 8."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.crowd import Cluster, at_once, bearer, statuses
from tests.support.people import PAYMENT, PROFILE, Answer, Client

CROWD = 12
TURNS = 6


@dataclass(frozen=True)
class Resource:
    """What is written, and how a reader tells whose writing it sees."""

    path: str
    shown_at: str
    body: Callable[[int], dict[str, Any]]
    marks: Callable[[dict[str, Any]], tuple[str, ...]]
    unwrap: Callable[[dict[str, Any]], dict[str, Any]]


def profile_of(writer: int) -> dict[str, Any]:
    address = {**PROFILE["shipping_address"], "line1": f"{writer} Main Street", "line2": f"Floor {writer}"}
    return {"name": f"Writer {writer}", "phone": f"+1 650-253-{writer:04}", "shipping_address": address}


def profile_marks(shown: dict[str, Any]) -> tuple[str, ...]:
    address = shown["shipping_address"]
    return (
        shown["name"].removeprefix("Writer "),
        address["line1"].removesuffix(" Main Street"),
        address["line2"].removeprefix("Floor "),
        shown["phone"][-4:].lstrip("0") or "0",
    )


def payment_of(writer: int) -> dict[str, Any]:
    return {**PAYMENT, "payment_token": f"pm_1QdX2eLkdIwHu7ix{writer:04}", "brand": f"brand {writer}"}


def payment_marks(shown: dict[str, Any]) -> tuple[str, ...]:
    return shown["brand"].removeprefix("brand "), shown["token_hint"].lstrip("0") or "0"


PROFILES = Resource("/profile", "/profile/me", profile_of, profile_marks, lambda body: body)
PAYMENTS = Resource(
    "/profile/payment_info",
    "/profile/payment_info",
    payment_of,
    payment_marks,
    lambda body: body.get("payment_info", body),
)
BOTH = pytest.mark.parametrize("resource", [pytest.param(PROFILES, id="profile"), pytest.param(PAYMENTS, id="payment")])


def writers_seen(resource: Resource, answer: Answer) -> set[str]:
    """Whose writing the answer shows: one writer's, unless updates were mixed."""
    return set(resource.marks(resource.unwrap(answer.json)))


def write(person: Client, method: str, resource: Resource, writer: int, **headers: str) -> Callable[[Client], Answer]:
    return lambda client: client.send(
        method, resource.path, resource.body(writer), headers=bearer(person.access_token) | headers
    )


@BOTH
def test_of_creations_at_once_one_wins(cluster: Cluster, person: Client, resource: Resource) -> None:
    answers = cluster.at_the_last_byte([write(person, "POST", resource, writer) for writer in range(CROWD)])
    assert statuses(answers) == [201] + [409] * (CROWD - 1)
    [created] = [answer for answer in answers if answer.status == 201]
    assert resource.unwrap(created.json) == person.get(resource.shown_at).json
    assert len(writers_seen(resource, created)) == 1


@BOTH
def test_of_changes_on_one_condition_one_wins(cluster: Cluster, person: Client, resource: Resource) -> None:
    """No update is lost: who read the same state as the winner is told so."""
    assert person.post(resource.path, resource.body(99)).status == 201
    for _ in range(4):
        tag = person.get(resource.shown_at).headers["ETag"]
        changes = [write(person, "PUT", resource, writer, **{"If-Match": tag}) for writer in range(CROWD)]
        answers = cluster.at_the_last_byte(changes)
        assert statuses(answers) == [200] + [412] * (CROWD - 1)
        [won] = [answer for answer in answers if answer.status == 200]
        assert person.get(resource.shown_at).headers["ETag"] == won.headers["ETag"]


@pytest.mark.slow
@BOTH
def test_changes_at_once_are_never_mixed(cluster: Cluster, person: Client, resource: Resource) -> None:
    """Every answer and every read shows what one writer wrote, whole."""
    assert person.post(resource.path, resource.body(99)).status == 201
    twins = [cluster.twin(person, index) for index in range(CROWD)]

    def take_turns(index: int) -> list[Answer]:
        twin, seen = twins[index], []
        for _ in range(TURNS):
            seen.append(write(twin, "PUT", resource, index)(twin))
            seen.append(twin.get(resource.shown_at))
        return seen

    answers = [answer for seen in at_once(CROWD, take_turns) for answer in seen]
    assert {answer.status for answer in answers} == {200}
    assert {len(writers_seen(resource, answer)) for answer in answers} == {1}


@BOTH
def test_creating_changing_reading_and_deleting_at_once_never_fails(
    cluster: Cluster, person: Client, resource: Resource
) -> None:
    """Each finds it there or not there, and says so."""
    twins = [cluster.twin(person, index) for index in range(CROWD)]
    allowed = {"POST": {201, 409}, "PUT": {200, 404}, "GET": {200, 404}, "DELETE": {200, 204, 404}}
    methods = list(allowed)

    def take_turns(index: int) -> list[tuple[str, Answer]]:
        twin, seen = twins[index], []
        for turn in range(TURNS * 2):
            method = methods[(index + turn) % len(methods)]
            path = resource.shown_at if method == "GET" else resource.path
            body = resource.body(index) if method in ("POST", "PUT") else None
            seen.append((method, twin.send(method, path, body)))
        return seen

    answers = [answered for seen in at_once(CROWD, take_turns) for answered in seen]
    assert [(method, answer.status) for method, answer in answers if answer.status not in allowed[method]] == []
    shown = [answer for method, answer in answers if answer.status in (200, 201) and method != "DELETE"]
    assert {len(writers_seen(resource, answer)) for answer in shown} == {1}
    assert {answer.status for answer in shown} == {200, 201}


@BOTH
def test_of_deletions_at_once_one_deletes(cluster: Cluster, person: Client, resource: Resource) -> None:
    assert person.post(resource.path, resource.body(1)).status == 201
    headers = bearer(person.access_token)
    answers = cluster.at_the_last_byte([lambda client: client.delete(resource.path, headers=headers)] * CROWD)
    assert statuses(answers)[0] in (200, 204)
    assert statuses(answers)[1:] == [404] * (CROWD - 1)
    assert person.get(resource.shown_at).status == 404

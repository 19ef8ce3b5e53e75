"""Log-ins and log-outs at once. SECURITY 86, 87, 89, 92; RELIABILITY 6, 9."""

from collections.abc import Callable
from datetime import datetime
from functools import partial

import pytest

from tests.support.crowd import Cluster, at_once, bearer, claims_of, statuses, trail
from tests.support.people import Answer, Client
from user_service.audit.events import Action

CROWD = 24
MANY = 2000


def log_in_as(person: Client) -> Callable[[Client], Answer]:
    return lambda client: client.log_in(person.username, person.password)


def device(cluster: Cluster, person: Client, answer: Answer, index: int) -> Client:
    """The person with the tokens of a log-in."""
    twin = cluster.twin(person, index)
    twin.access_token, twin.refresh_token = answer.json["access_token"], answer.json["refresh_token"]
    return twin


def session_id(client: Client) -> str:
    return claims_of(client.access_token)["sid"]


def state(client: Client) -> str:
    """`alive` or `dead`; both tokens of a session must agree."""
    answers = client.get("/sessions"), client.refresh(client.refresh_token)
    if statuses(answers) == [200, 200]:
        return "alive"
    assert [answer.code for answer in answers] == ["token_revoked"] * 2
    return "dead"


def moments(cluster: Cluster, person: Client, action: Action) -> dict[str, datetime]:
    """When it happened to each of the person's sessions, by the audit log."""
    rows = trail(cluster.database_url, claims_of(person.access_token)["sub"], action)
    return {str(row.session_id): row.occurred_at for row in rows}


def test_log_ins_of_one_person_at_once_open_a_session_each(cluster: Cluster, person: Client) -> None:
    """SECURITY 92, RELIABILITY 9: exactly so many, all of them working."""
    answers = cluster.at_the_last_byte([log_in_as(person)] * CROWD)
    assert statuses(answers) == [200] * CROWD
    devices = [device(cluster, person, answer, index) for index, answer in enumerate(answers)]
    opened = {session_id(client) for client in devices}
    assert len(opened) == CROWD
    assert len({claims_of(client.refresh_token)["jti"] for client in devices}) == CROWD
    listed = {row["id"] for row in person.get("/sessions").json["data"]}
    assert listed == opened | {session_id(person)}
    assert {state(client) for client in devices} == {"alive"}


def test_logging_out_many_times_at_once_is_one_log_out(cluster: Cluster, person: Client) -> None:
    """SECURITY 86, 87: with either token and on every node."""
    ways = [
        lambda client: client.post("/logout", headers=bearer(person.access_token)),
        lambda client: client.post("/logout", {"refresh_token": person.refresh_token}),
    ]
    assert statuses(cluster.at_the_last_byte(ways * (CROWD // 2))) == [204] * CROWD
    assert {state(twin) for twin in cluster.everywhere(person)} == {"dead"}
    assert len(moments(cluster, person, Action.LOGGED_OUT)) == 1
    assert len(trail(cluster.database_url, claims_of(person.access_token)["sub"], Action.LOGGED_OUT)) == 1


def test_every_way_of_ending_a_session_may_meet_the_others(cluster: Cluster, person: Client) -> None:
    """RELIABILITY 6: log-out, removal by id and removal of all; nothing crashes, nothing survives."""
    phone = cluster.twin(person, 1)
    assert phone.log_in().status == 200
    headers = bearer(phone.access_token)
    ways = [
        lambda client: client.post("/logout", headers=bearer(person.access_token)),
        lambda client: client.delete(f"/sessions/{session_id(person)}", headers=headers),
        lambda client: client.delete("/sessions", headers=headers),
        lambda client: client.delete("/sessions", headers=bearer(person.access_token)),
    ]
    answers = cluster.at_the_last_byte(ways * (CROWD // 4))
    assert {answer.status for answer in answers} <= {204, 401, 404}
    assert statuses(answers).count(204) >= CROWD // 4
    assert state(person) == state(phone) == "dead"


def log_ins_against_a_log_out_everywhere(cluster: Cluster) -> None:
    """The audit log tells the order: whoever logged in before the end is out, whoever came after it is in."""
    person = cluster.client().join()
    before = [cluster.twin(person, index) for index in range(5)]
    assert [client.log_in().status for client in before] == [200] * 5
    actions = [log_in_as(person)] * 12
    actions.insert(6, lambda client: client.delete("/sessions", headers=bearer(person.access_token)))
    answers = cluster.at_the_last_byte(actions)
    assert statuses(answers) == [200] * 12 + [204]

    opened = [device(cluster, person, answer, index) for index, answer in enumerate(answers) if answer.status == 200]
    states = {session_id(client): state(client) for client in [person, *before, *opened]}
    assert {states[session_id(client)] for client in [person, *before]} == {"dead"}
    closed_at = moments(cluster, person, Action.SESSION_CLOSED)
    opened_at = moments(cluster, person, Action.LOGGED_IN)
    assert set(closed_at) == {session for session, is_now in states.items() if is_now == "dead"}
    survivors = [opened_at[session] for session, is_now in states.items() if is_now == "alive"]
    assert all(moment > max(closed_at.values()) for moment in survivors)
    assert all(opened_at[session] < moment for session, moment in closed_at.items())


def test_logging_out_everywhere_spares_no_session_opened_before_it(cluster: Cluster) -> None:
    """SECURITY 89."""
    for _ in range(3):
        log_ins_against_a_log_out_everywhere(cluster)


@pytest.mark.slow
def test_logging_out_everywhere_spares_no_session_however_often(cluster: Cluster) -> None:
    """SECURITY 89."""
    for _ in range(25):
        log_ins_against_a_log_out_everywhere(cluster)


def until_refused(client: Client) -> list[int]:
    """The answers up to the first refusal, and some after it."""
    seen = []
    while 401 not in seen and len(seen) < MANY:
        seen.append(client.get("/sessions").status)
    return [*seen, *(client.get("/sessions").status for _ in range(5))]


def log_out_of_a_session_in_use(cluster: Cluster) -> None:
    person = cluster.client().join()
    twins = [cluster.twin(person, index) for index in range(7)]
    leave, *use = [lambda: [twins[0].post("/logout").status], *(partial(until_refused, twin) for twin in twins[1:])]
    actions = [*use, leave]
    *seen, left = at_once(len(actions), lambda index: actions[index]())
    assert left == [204]
    for answers in seen:
        first = answers.index(401)
        assert set(answers[:first]) <= {200}
        assert set(answers[first:]) == {401}
    assert {twin.get("/sessions").code for twin in cluster.everywhere(person)} == {"token_revoked"}


def test_a_log_out_is_seen_by_every_node_on_the_next_request(cluster: Cluster) -> None:
    """SECURITY 86: no node takes its refusal back."""
    for _ in range(4):
        log_out_of_a_session_in_use(cluster)

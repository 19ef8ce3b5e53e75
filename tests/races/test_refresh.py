"""One refresh token in many hands. SECURITY 79-81, 88; RELIABILITY 3-6."""

from collections.abc import Callable

import pytest

from tests.support.crowd import Cluster, at_once, bearer, claims_of, trail
from tests.support.people import Answer, Client
from user_service.audit.events import Action

CROWD = 24


def refresh_with(token: str | None) -> Callable[[Client], Answer]:
    return lambda client: client.refresh(token)


def log_out_with(token: str | None) -> Callable[[Client], Answer]:
    return lambda client: client.post("/logout", headers=bearer(token))


def successor_of(answer: Answer) -> tuple[str, str, int]:
    access, refresh = claims_of(answer.json["access_token"]), claims_of(answer.json["refresh_token"])
    return access["jti"], refresh["jti"], refresh["gen"]


def adopt(person: Client, answer: Answer) -> None:
    person.access_token, person.refresh_token = answer.json["access_token"], answer.json["refresh_token"]


def assert_alive(cluster: Cluster, person: Client) -> None:
    """On every node."""
    answers = [twin.get("/sessions") for twin in cluster.everywhere(person)]
    assert {answer.status for answer in answers} == {200}


def assert_dead(cluster: Cluster, person: Client) -> None:
    """On every node, both tokens."""
    for twin in cluster.everywhere(person):
        assert twin.get("/sessions").code == twin.refresh(twin.refresh_token).code == "token_revoked"


def one_token_in_many_hands(cluster: Cluster, person: Client) -> None:
    """All get the one successor, which lives on."""
    generation = claims_of(person.refresh_token)["gen"]
    answers = cluster.at_the_last_byte([refresh_with(person.refresh_token)] * CROWD)
    assert {answer.status for answer in answers} == {200}
    [(_, _, next_generation)] = {successor_of(answer) for answer in answers}
    assert next_generation == generation + 1
    adopt(person, answers[-1])
    assert_alive(cluster, person)


def test_one_refresh_token_in_many_hands_has_one_successor(cluster: Cluster, person: Client) -> None:
    """SECURITY 79, 80. Nobody is logged out by it, and there is still one session and no fork."""
    rounds = 12
    for _ in range(rounds):
        one_token_in_many_hands(cluster, person)
    assert len(person.get("/sessions").json["data"]) == 1
    user_id = claims_of(person.access_token)["sub"]
    assert len(trail(cluster.database_url, user_id, Action.REFRESH_REPLAYED)) == rounds * (CROWD - 1)


def test_tabs_that_race_each_other_stay_logged_in(cluster: Cluster, person: Client) -> None:
    """SECURITY 80: each takes whichever answer it gets and uses it while the others are still asking."""
    tabs = [cluster.twin(person, index) for index in range(4)]

    def turn(index: int) -> list[int]:
        return [tabs[index].refresh().status, tabs[index].get("/sessions").status]

    for _ in range(10):
        assert at_once(len(tabs), turn) == [[200, 200]] * len(tabs)
    assert len({claims_of(tab.refresh_token)["jti"] for tab in tabs}) == 1
    assert len(tabs[0].get("/sessions").json["data"]) == 1


def test_replays_of_an_older_token_close_the_session_once_and_everywhere(cluster: Cluster, person: Client) -> None:
    """SECURITY 81, RELIABILITY 5."""
    oldest = person.refresh_token
    person.refresh()
    person.refresh()
    answers = cluster.at_the_last_byte([refresh_with(oldest)] * CROWD)
    assert sorted(answer.code for answer in answers) == ["refresh_token_reused"] + ["token_revoked"] * (CROWD - 1)
    assert {answer.status for answer in answers} == {401}
    assert_dead(cluster, person)
    assert len(trail(cluster.database_url, claims_of(oldest)["sub"], Action.REFRESH_REUSED)) == 1


def refreshes_against(cluster: Cluster, person: Client, closing: Callable[[Client], Answer], closers: int) -> list[str]:
    """Refreshes and what closes the session, at once. Nothing that was handed out works; the closers' answers."""
    actions = [refresh_with(person.refresh_token)] * 6 + [closing] * closers
    # Every other one, so that neither kind has the start of the other on a node.
    answers = cluster.at_the_last_byte(actions[::2] + actions[1::2])
    handed_out = [answer for answer in answers if answer.status == 200]
    for answer in handed_out:
        adopt(person, answer)
        assert_dead(cluster, person)
    assert_dead(cluster, person)
    return sorted("" if answer.status == 204 else answer.code for answer in answers if answer.status != 200)


@pytest.mark.slow
def test_no_refresh_survives_a_log_out(cluster: Cluster) -> None:
    """SECURITY 88, RELIABILITY 6."""
    for _ in range(8):
        person = cluster.client().join()
        refused = refreshes_against(cluster, person, log_out_with(person.access_token), closers=1)
        assert refused.count("") == 1
        assert set(refused) <= {"", "token_revoked"}


def test_no_refresh_survives_the_reuse_of_an_older_token(cluster: Cluster) -> None:
    """SECURITY 81: the owner and the thief at the same moment."""
    for _ in range(8):
        person = cluster.client().join()
        oldest = person.refresh_token
        person.refresh()
        person.refresh()
        refused = refreshes_against(cluster, person, refresh_with(oldest), closers=3)
        assert refused.count("refresh_token_reused") == 1
        assert set(refused) <= {"refresh_token_reused", "token_revoked"}


@pytest.mark.slow
def test_no_refresh_survives_a_log_out_however_often(cluster: Cluster) -> None:
    """SECURITY 88."""
    for _ in range(60):
        person = cluster.client().join()
        refused = refreshes_against(cluster, person, log_out_with(person.access_token), closers=2)
        assert refused.count("") == 2


@pytest.mark.slow
def test_one_refresh_token_has_one_successor_however_often(cluster: Cluster, person: Client) -> None:
    """SECURITY 79."""
    for _ in range(50):
        one_token_in_many_hands(cluster, person)

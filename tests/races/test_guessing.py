"""Guesses at one account over nodes and workers. SECURITY 43, 44; RELIABILITY 10."""

from tests.support.crowd import Cluster, statuses
from tests.support.people import Client

LIMIT = 10
WRONG = "not the password of anybody"


def test_guesses_at_once_on_every_node_are_ten_together(cluster: Cluster, person: Client) -> None:
    """Four times as many as are allowed, all sent with their last byte; and the sessions of the owner go on."""
    answers = cluster.at_the_last_byte([lambda client: client.log_in(person.username, WRONG)] * (4 * LIMIT))
    assert statuses(answers) == [401] * LIMIT + [429] * (3 * LIMIT)
    assert {answer.code for answer in answers} == {"invalid_credentials", "too_many_requests"}
    assert all(1 <= int(answer.headers["Retry-After"]) <= 30 for answer in answers if answer.status == 429)
    assert [twin.get("/account").status for twin in cluster.everywhere(person)] == [200] * len(cluster.nodes)


def test_guesses_at_nobody_are_ten_together_too(cluster: Cluster) -> None:
    nobody = f"nobody.{id(cluster):x}"
    answers = cluster.at_the_last_byte([lambda client: client.log_in(nobody, WRONG)] * (4 * LIMIT))
    assert statuses(answers) == [401] * LIMIT + [429] * (3 * LIMIT)


def test_guesses_from_node_to_node_are_ten_together(cluster: Cluster, person: Client) -> None:
    clients = [cluster.client(index) for index in range(LIMIT + 4)]
    assert [client.log_in(person.username, WRONG).status for client in clients] == [401] * LIMIT + [429] * 4
    assert [twin.log_in().status for twin in cluster.everywhere(person)] == [429] * len(cluster.nodes)


def test_guesses_at_every_door_at_once_are_ten_together(cluster: Cluster, person: Client) -> None:
    """SECURITY 46: a forgotten door would let five more through."""
    headers = {"Authorization": f"Bearer {person.access_token}"}
    doors = [
        lambda client: client.log_in(person.email, WRONG),
        lambda client: client.post("/account/export", {"password": WRONG}, headers=headers),
        lambda client: client.delete("/account", body={"password": WRONG}, headers=headers),
        lambda client: client.put(
            "/account/password",
            {"current_password": WRONG, "new_password": "staple ember window tide"},
            headers=headers,
        ),
        lambda client: client.put(
            "/account/email", {"email": "new.address@example.com", "password": WRONG}, headers=headers
        ),
    ]
    answers = cluster.at_the_last_byte(doors * (LIMIT // 2))
    assert len([answer for answer in answers if answer.status in (401, 403)]) == LIMIT
    assert statuses(answers).count(429) == len(answers) - LIMIT

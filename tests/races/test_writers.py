"""Sixteen writers, and clients that go away in the middle. RELIABILITY 4, 33."""

import socket
import struct
from collections.abc import Callable

import pytest

from tests.support.crowd import Cluster, at_once, claims_of, connect, spelled_out
from tests.support.people import PAYMENT, PROFILE, Client

WRITERS = 16
JSON = {"Content-Type": "application/json"}
RESET = struct.pack("ii", 1, 0)  # SO_LINGER for no time: closing sends RST


def busy_life(client: Client, turns: int) -> list[int]:
    """Everything that writes, again and again; the statuses."""
    seen = [client.register().status, client.log_in().status, client.post("/profile", PROFILE).status]
    for turn in range(turns):
        seen += [
            client.put("/profile", {"name": f"Turn {turn}"}).status,
            client.refresh().status,
            client.post("/profile/payment_info", PAYMENT).status,
            client.delete("/profile/payment_info").status,
        ]
        shown = client.get("/profile/me")
        assert shown.json["name"] == f"Turn {turn}"
    return [*seen, client.post("/logout").status]


def everybody_writes(cluster: Cluster, turns: int) -> None:
    clients = [cluster.client(index) for index in range(WRITERS)]
    lives = at_once(WRITERS, lambda index: busy_life(clients[index], turns))
    assert {tuple(life) for life in lives} == {(201, 200, 201, *(200, 200, 201, 204) * turns, 204)}


def test_sixteen_writers_wait_for_each_other_and_none_fails(cluster: Cluster) -> None:
    """RELIABILITY 33: no 500, no 503, and no "database is locked" in any log."""
    everybody_writes(cluster, turns=3)


@pytest.mark.slow
def test_sixteen_writers_never_fail(cluster: Cluster) -> None:
    """RELIABILITY 33."""
    everybody_writes(cluster, turns=20)


def leave_before_the_answer(connection: socket.socket, request: bytes) -> None:
    connection.sendall(request)


def leave_with_a_reset(connection: socket.socket, request: bytes) -> None:
    connection.sendall(request)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)


def leave_in_the_middle(connection: socket.socket, request: bytes) -> None:
    connection.sendall(request[: len(request) - 20])


def leave_in_the_middle_with_a_reset(connection: socket.socket, request: bytes) -> None:
    leave_in_the_middle(connection, request)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)


WAYS = [leave_before_the_answer, leave_with_a_reset, leave_in_the_middle, leave_in_the_middle_with_a_reset]


def vanish(cluster: Cluster, way: Callable[[socket.socket, bytes], None], index: int, request: bytes) -> None:
    with connect(cluster.urls[index % len(cluster.urls)]) as connection:
        way(connection, request)


@pytest.mark.slow
def test_clients_that_go_away_while_refreshing_log_nobody_out(cluster: Cluster) -> None:
    """RELIABILITY 4: whether the lost request was carried out or not, the token that was sent can be sent again."""
    for _ in range(3):
        person = cluster.client().join()
        body = f'{{"old_refresh_token": "{person.refresh_token}"}}'.encode()
        request = spelled_out(cluster.urls[0], "POST", "/token/refresh", JSON, body)
        at_once(16, lambda index, sent=request: vanish(cluster, WAYS[index % len(WAYS)], index, sent))
        assert person.refresh().status == 200
        assert claims_of(person.refresh_token)["gen"] == 2
        assert person.get("/sessions").status == 200


@pytest.mark.slow
def test_clients_that_go_away_while_writing_leave_a_whole_profile(cluster: Cluster, person: Client) -> None:
    assert person.post("/profile", PROFILE).status == 201
    bodies = [f'{{"name": "Name {index}", "phone": "+1 650-253-{index:04}"}}'.encode() for index in range(16)]
    headers = {**JSON, "Authorization": f"Bearer {person.access_token}"}

    def change_and_go(index: int) -> None:
        request = spelled_out(cluster.urls[0], "PUT", "/profile", headers, bodies[index])
        vanish(cluster, WAYS[index % len(WAYS)], index, request)

    at_once(len(bodies), change_and_go)
    shown = person.get("/profile/me").json
    whole = {("Ada Lovelace", PROFILE["phone"])} | {(f"Name {index}", f"+1 650-253-{index:04}") for index in range(16)}
    assert (shown["name"], shown["phone"]) in whole
    assert person.put("/profile", {"name": "Ada King"}).json["name"] == "Ada King"

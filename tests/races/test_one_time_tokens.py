"""One-time tokens are spent once, whoever tries at once, over two nodes on PostgreSQL. RELIABILITY 7, SECURITY 109."""

from collections import Counter
from functools import partial

import pytest

from tests.conftest import running_app
from tests.support.crowd import Cluster
from tests.support.mail import deliver, token_of
from tests.support.people import Answer, Client

CROWD = 24


def mailed_tokens(cluster: Cluster, recipient: str) -> list[str]:
    """The tokens that were mailed to the address, by a worker beside the nodes."""
    with running_app(cluster.database_url) as app:
        return [
            token_of(mail) for mail in deliver(app) if mail["To"] == recipient and "your" in mail["Subject"].lower()
        ]


def password_of(index: int) -> str:
    return f"staple ember window {index}"


def reset(token: str, index: int, client: Client) -> Answer:
    return client.post("/password/reset", {"token": token, "new_password": password_of(index)})


def verify(token: str, client: Client) -> Answer:
    return client.post("/email/verify", {"token": token})


def test_of_many_resets_with_one_token_one_wins_and_its_password_works(
    cluster: Cluster,
) -> None:
    person = cluster.client().join()
    mailed_tokens(cluster, person.email)
    assert person.post("/password/forgot", {"email": person.email}).status == 202
    [token] = mailed_tokens(cluster, person.email)
    answers = cluster.at_the_last_byte([partial(reset, token, index) for index in range(CROWD)])
    assert Counter(answer.status for answer in answers) == {204: 1, 401: CROWD - 1}
    [winner] = [index for index, answer in enumerate(answers) if answer.status == 204]
    assert cluster.client().log_in(person.username, password_of(winner)).status == 200
    assert {each.get("/account").status for each in cluster.everywhere(person)} == {401}


def test_of_many_verifications_with_one_token_one_wins(cluster: Cluster) -> None:
    person = cluster.client().join()
    [token] = mailed_tokens(cluster, person.email)
    answers = cluster.at_the_last_byte([partial(verify, token)] * CROWD)
    assert Counter(answer.status for answer in answers) == {200: 1, 401: CROWD - 1}


@pytest.mark.slow
def test_of_many_who_prove_one_address_one_has_it(cluster: Cluster) -> None:
    """The constraint decides; the others are told that it is taken, and keep what they had."""
    people = [cluster.client(index).join() for index in range(6)]
    wanted = f"wanted.by.{people[0].username}@example.com"
    mailed_tokens(cluster, people[0].email)  # what came with the registrations is out of the way
    for person in people:
        assert person.put("/account/email", {"email": wanted, "password": person.password}).status == 202
    tokens = mailed_tokens(cluster, wanted)
    assert len(tokens) == len(people)
    answers = cluster.at_the_last_byte([partial(verify, token) for token in tokens])
    assert Counter(answer.status for answer in answers) == {200: 1, 409: len(people) - 1}

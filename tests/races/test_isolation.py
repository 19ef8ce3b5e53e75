"""Two people at the same time never see each other. SECURITY 98."""

import pytest

from tests.support.crowd import Cluster, at_once
from tests.support.people import PROFILE, Client

READS = 1000  # of each person
CONNECTIONS = 4  # likewise
WRITE_EVERY = 10


def somebody(cluster: Cluster, name: str) -> Client:
    person = cluster.client().join()
    assert person.post("/profile", {**PROFILE, "name": name}).status == 201
    return person


@pytest.mark.slow
def test_two_people_at_once_always_see_their_own_names(cluster: Cluster) -> None:
    names = ["Ada Lovelace", "Grace Hopper"]
    people = [somebody(cluster, name) for name in names]
    readers = [cluster.twin(people[index % 2], index // 2) for index in range(2 * CONNECTIONS)]

    def read(index: int) -> list[tuple[str, str, str]]:
        seen = []
        for turn in range(READS // CONNECTIONS):
            if turn % WRITE_EVERY == 0:
                assert readers[index].put("/profile", {"name": names[index % 2]}).status == 200
            shown = readers[index].get("/profile/me").json
            seen.append((shown["name"], shown["username"], shown["email"]))
        return seen

    for index, seen in enumerate(at_once(len(readers), read)):
        person = people[index % 2]
        assert len(seen) == READS // CONNECTIONS
        assert set(seen) == {(names[index % 2], person.username, person.email)}

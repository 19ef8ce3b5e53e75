"""Clients whose address is known to the limits."""

from flask import Flask

from tests.support.people import Answer, Client, InProcess

HOME = "203.0.113.7"


class Visitor(Client):
    """A client that can come from another address."""

    def __init__(self, app: Flask, address: str = HOME) -> None:
        super().__init__(InProcess(app, address))

    def at(self, address: str) -> "Visitor":
        """The same person with the same tokens, elsewhere."""
        other = Visitor(self.transport.app, address)
        other.username, other.email, other.password = self.username, self.email, self.password
        other.access_token, other.refresh_token = self.access_token, self.refresh_token
        return other

    def guess(self, username: str = "nobody", password: str = "wrong as can be") -> Answer:
        return self.post("/token", {"username": username, "password": password})


def check_refused(answer: Answer) -> None:
    """It says that a limit was reached, and when to come back."""
    assert (answer.status, answer.code) == (429, "too_many_requests")
    assert 1 <= int(answer.headers["Retry-After"]) <= 3600

"""How a token travels: one Authorization header with the Bearer scheme, or the member of a body that is meant for it.

SECURITY 50, 68, 69, 72, 73.
"""

import base64
import json
import time
from collections.abc import Callable

import pytest
from flask import Flask

from tests.support.doors import DOORS, SLOW_SECONDS, assert_still_in
from tests.support.people import PROFILE, Answer, Client

PARAMETERS = ["access_token", "token", "jwt", "bearer", "bearer_token", "authorization", "Authorization", "auth"]
COOKIES = ["access_token", "access_token_cookie", "token", "jwt", "session", "Authorization", "csrf_access_token"]
HEADERS = ["X-Access-Token", "Access-Token", "X-Auth-Token", "X-Authorization", "Proxy-Authorization", "Token", "JWT",
           "Authentication", "X-Forwarded-Authorization", "X-Original-Authorization",
           "X-JWT-Assertion"]  # fmt: skip  # a table
MEMBERS = {"/token/refresh": "old_refresh_token", "/logout": "refresh_token"}
# `@` stands for the genuine token.
VALUES = ["@", "Token @", "JWT @", "Digest @", "DPoP @", "MAC @", "Negotiate @", "OAuth @", "ApiKey @", "Basic @",
          "Bearer", "Bearer ", "Bearer:@", "Bearer: @", "Bearer=@", "Bearer@", "Bearer\t@", "Bearer, @", 'Bearer "@"',
          "Bearer token=@", 'Bearer access_token="@"', "Bearer Bearer @", "BearerBearer @", "bearertoken @",
          "Bearer @,@", "Bearer @, Bearer @", "Bearer @, Basic eDp5", "Basic eDp5, Bearer @", "Bearer @;", "Bearer @ @",
          "Bearer @ x", "Bearer x @", "Bearer @\xa0", "Bearer \xa0@", "Bearer @\x85", "Bear\xe9r @", '"Bearer" @',
          "Bearer\xa0@"]  # fmt: skip  # a table


@pytest.fixture
def shopper(person: Client) -> Client:
    assert person.post("/profile", PROFILE).status == 201
    return person


def read_profile(client: Client, name: str, value: str) -> Answer:
    """With this one header."""
    return client.get("/profile/me", headers={name: value}, auth=False)


def is_refusal(answer: Answer) -> bool:
    is_challenged = answer.headers.get("WWW-Authenticate", "").startswith("Bearer ")
    return answer.status == 401 and is_challenged and answer.code in ("token_required", "invalid_token")


def test_a_token_outside_the_authorization_header_counts_for_nothing(shopper: Client) -> None:
    """SECURITY 72."""
    token = shopper.access_token or ""
    answers = {
        **{f"?{name}": shopper.get(f"/profile/me?{name}={token}", auth=False) for name in PARAMETERS},
        **{f"cookie {name}": read_profile(shopper, "Cookie", f"{name}={token}") for name in COOKIES},
        **{name: read_profile(shopper, name, f"Bearer {token}") for name in HEADERS},
        **{f"bare {name}": read_profile(shopper, name, token) for name in HEADERS},
    }
    assert len(answers) >= 35
    assert [way for way, answer in answers.items() if not is_refusal(answer)] == []


def test_a_token_in_a_body_does_not_authenticate(shopper: Client) -> None:
    """SECURITY 72."""
    for name in PARAMETERS:
        body = {name: shopper.access_token}
        form = f"{name}={shopper.access_token}".encode()
        form_type = {"Content-Type": "application/x-www-form-urlencoded"}
        assert is_refusal(shopper.send("GET", "/profile/me", body, auth=False))
        assert is_refusal(shopper.put("/profile", {**body, "name": "Mallory"}, auth=False))
        assert is_refusal(shopper.put("/profile", form, headers=form_type, auth=False))
    assert shopper.get("/profile/me").json["name"] == PROFILE["name"]


def test_only_the_bearer_scheme_and_one_token_count(shopper: Client) -> None:
    """SECURITY 72."""
    token = shopper.access_token or ""
    values = [value.replace("@", token) for value in VALUES]
    values.append("Basic " + base64.b64encode(f"bearer:{token}".encode()).decode())
    got_in = [
        value.replace(token, "@") for value in values if not is_refusal(read_profile(shopper, "Authorization", value))
    ]
    assert got_in == []


def test_a_second_authorization_header_is_refused(app: Flask, shopper: Client) -> None:
    """SECURITY 72. Whichever of the two is genuine, and when both are."""
    genuine = f"Bearer {shopper.access_token}"
    for first, second in ((genuine, genuine), (genuine, "Basic eDp5"), ("Bearer x", genuine), ("", genuine)):
        headers = [("Authorization", first), ("Authorization", second)]
        response = app.test_client().get("/profile/me", headers=headers)
        assert response.status_code == 401, (first[:9], second[:9])


def test_the_case_of_the_scheme_does_not_matter(shopper: Client) -> None:
    """SECURITY 72, 86. RFC 9110, 11.1 and 11.4: any case, and any number of spaces behind it."""
    for scheme in ("Bearer", "bearer", "BEARER", "bEaReR", "Bearer "):
        shopper.log_in()
        value = f"{scheme} {shopper.access_token}"
        assert read_profile(shopper, "Authorization", value).status == 200
        assert shopper.post("/logout", headers={"Authorization": value}).status == 204
        assert read_profile(shopper, "Authorization", value).code == "token_revoked"


def test_a_refresh_token_counts_in_its_member_of_the_body_alone(shopper: Client) -> None:
    """SECURITY 50, 72."""
    token = shopper.refresh_token
    for name in ("old_refresh_token", "refresh_token", "token"):
        assert shopper.post(f"/token/refresh?{name}={token}", {}, auth=False).status == 422
        assert shopper.post("/token/refresh", {}, headers={"Cookie": f"{name}={token}"}, auth=False).status == 422
        assert shopper.post(f"/logout?{name}={token}", auth=False).code == "token_required"
    assert shopper.post("/token/refresh", {}, headers={"Authorization": f"Bearer {token}"}).status == 422
    assert shopper.post("/token/refresh", {"refresh_token": token}, auth=False).status == 422
    assert_still_in(shopper)


def test_without_a_token_the_challenge_names_no_error(client: Client) -> None:
    """SECURITY 73. RFC 6750, 3.1: who sent nothing made no mistake yet."""
    for answer in (client.get("/profile/me"), client.post("/logout"), client.get("/sessions")):
        assert (answer.status, answer.code) == (401, "token_required")
        assert answer.headers["WWW-Authenticate"].startswith("Bearer ")
        assert "error" not in answer.headers["WWW-Authenticate"]


def test_an_enormous_token_is_refused_by_its_size(shopper: Client) -> None:
    """SECURITY 68, 69. A body may have 64 KiB, so there it does not even get to be a token."""
    genuine = shopper.access_token or ""
    enormous = ["." * 200_000, "a" * 700_000, "[" * 700_000, f"{genuine}{'A' * 700_000}", f"{'A' * 700_000}.{genuine}"]
    for token in enormous:
        for door in DOORS:
            seconds, answer = timed(lambda door=door, token=token: door.send(shopper, token))
            expected = (401, "invalid_token") if door.kind == "access" else (413, "request_too_large")
            assert (answer.status, answer.code) == expected, (door.name, token[:9])
            assert seconds < SLOW_SECONDS, (door.name, token[:9])
    assert_still_in(shopper)


def test_a_control_character_makes_no_other_spelling_of_a_token(shopper: Client) -> None:
    """SECURITY 68. Such text is refused as text (422) or as a token (401)."""
    token = shopper.refresh_token or ""
    for character in ("\0", "\n", "\r\n", "\t", "\x1b", "\x7f", "\x85"):
        for text in (character + token, token + character, token[:99] + character + token[99:], character):
            for path, member in MEMBERS.items():
                answer = shopper.post(path, {member: text}, auth=False)
                assert (answer.status, answer.code) in ((401, "invalid_token"), (422, "validation_failed"))
    assert_still_in(shopper)


def test_an_empty_token_is_a_bad_one(shopper: Client) -> None:
    for path, member in MEMBERS.items():
        assert shopper.post(path, {member: ""}, auth=False).code == "invalid_token"
    assert_still_in(shopper)


def test_what_is_no_text_is_no_token(shopper: Client) -> None:
    """SECURITY 68. Types are never coerced; half a surrogate pair is no JSON text."""
    for value in (None, True, 0, 1.5, [], {}, [shopper.refresh_token], {"token": shopper.refresh_token}):
        for path, member in MEMBERS.items():
            assert shopper.post(path, {member: value}, auth=False).code == "validation_failed"
    half = json.dumps({"old_refresh_token": "\ud800"}).encode()
    assert shopper.post("/token/refresh", half, auth=False).status == 400
    assert_still_in(shopper)


def timed(call: Callable[[], Answer]) -> tuple[float, Answer]:
    """In CPU seconds, so that a busy machine makes no answer slow."""
    started = time.thread_time()
    answer = call()
    return time.thread_time() - started, answer

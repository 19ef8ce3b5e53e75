"""Entity tags and conditions (RFC 9110, 8.8.3 and 13), and what a PUT changes (SECURITY 141)."""

import re
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.hostile import Inspector
from tests.support.people import ADDRESS, PAYMENT, PROFILE, Answer, Client


@dataclass(frozen=True)
class Resource:
    """Something with a tag: where it is read, where it is changed, and how."""

    read: str
    written: str
    created: dict[str, Any]
    change: dict[str, Any]
    deleted: int

    def create(self, client: Client) -> Answer:
        answer = client.post(self.written, self.created)
        assert answer.status == 201
        return answer


KINDS = {
    "profile": Resource("/profile/me", "/profile", PROFILE, {"name": "Ada King"}, 200),
    "payment": Resource(
        "/profile/payment_info", "/profile/payment_info", PAYMENT, {"payment_token": "tok_other_one"}, 204
    ),
}
STRANGE = '"00000000000000000000000000000000"'


@pytest.fixture(params=sorted(KINDS))
def thing(request: pytest.FixtureRequest) -> Resource:
    return KINDS[request.param]


def tag_of(answer: Answer) -> str:
    return answer.headers["ETag"]


def test_every_answer_that_shows_it_carries_its_strong_tag(person: Client, thing: Resource) -> None:
    created = thing.create(person)
    assert re.fullmatch(r'"[\x21\x23-\x7e]{16,}"', tag_of(created))
    assert tag_of(created) == tag_of(person.get(thing.read)) == tag_of(person.send("HEAD", thing.read))
    changed = person.put(thing.written, thing.change)
    assert tag_of(changed) == tag_of(person.get(thing.read)) != tag_of(created)


def test_nobody_else_has_the_same_tag_for_the_same_content(person: Client, thing: Resource) -> None:
    other = person.another_device().join()
    assert tag_of(thing.create(person)) == tag_of(person.get(thing.read))
    thing.create(other)
    stranger = other.get(thing.read, headers={"If-None-Match": tag_of(other.get(thing.read))})
    assert stranger.status == 304


def test_if_none_match_spares_the_body(person: Client, thing: Resource) -> None:
    tag = tag_of(thing.create(person))
    inspector = Inspector(person)
    matching = [tag, f"W/{tag}", f"{STRANGE}, {tag}", f"{tag},{STRANGE}", f'"a" , W/{tag} , "b"', "*"]
    for sent in matching:
        for method in ("GET", "HEAD"):
            answer = inspector.send(method, thing.read, headers={"If-None-Match": sent}, expect=304)
            inspector.check(answer.body == b"", f"{sent}: {answer.text}")
            inspector.check(answer.headers.get("ETag") == tag, f"{sent}: {answer.headers}")
            inspector.check("Content-Type" not in answer.headers, f"{sent}: {answer.headers}")
    for sent in (STRANGE, f"W/{STRANGE}", '"', '""', "", ",", f'"{tag}"', tag.upper(), tag[:-2] + '"', f'"x{tag[1:]}'):
        answer = inspector.send("GET", thing.read, headers={"If-None-Match": sent}, expect=200, label=sent)
        inspector.check(answer.json != {}, sent)
    assert not inspector.failures, inspector.report()


def test_a_change_passes_where_the_tag_is_still_the_present_one(person: Client, thing: Resource) -> None:
    tag = tag_of(thing.create(person))
    inspector = Inspector(person)
    for form in ("{}", "{}, " + STRANGE, STRANGE + ",{}", '"a" ,\t{} , "b"', "*"):
        condition = {"If-Match": form.format(tag)}
        answer = inspector.send("PUT", thing.written, thing.change, headers=condition, expect=200, label=form)
        tag = tag_of(answer)
    assert not inspector.failures, inspector.report()
    assert person.put(thing.written, thing.change).status == 200, "If-Match is optional"
    tag = tag_of(person.get(thing.read))
    assert person.delete(thing.written, headers={"If-Match": tag}).status == thing.deleted


def test_a_change_is_refused_where_the_tag_is_another(person: Client, thing: Resource) -> None:
    """Strong comparison: a weak tag says that something like it was seen, which is not enough to overwrite it."""
    stale = tag_of(thing.create(person))
    present = tag_of(person.put(thing.written, thing.change))
    before = person.get(thing.read).json
    inspector = Inspector(person)
    for sent in (stale, STRANGE, f"W/{present}", f"w/{present}", f"{stale}, {STRANGE}", f"W/{present}, {stale}", '"*"'):
        for method, body in (("PUT", thing.created), ("DELETE", None)):
            answer = inspector.send(method, thing.written, body, headers={"If-Match": sent}, expect=412, label=sent)
            inspector.check(answer.code == "precondition_failed", answer.text)
    assert not inspector.failures, inspector.report()
    assert person.get(thing.read).json == before


def test_a_condition_that_cannot_be_read_never_lets_a_change_through(person: Client, thing: Resource) -> None:
    """Who sends a condition wants it kept. Taking a broken one for none would overwrite another's change."""
    broken = ["", " ", ",", '"', '""', "W/", '*"', "\x01", "é", "{0}x", "x{0}", "'{1}'", '"{1}', '{1}"', "{0}; a=b"]
    inspector = Inspector(person)
    for form in broken:
        for method, body in (("PUT", thing.change), ("DELETE", None)):
            thing.create(person)
            tag = tag_of(person.get(thing.read))
            sent = form.format(tag, tag.strip('"')).encode().decode("latin-1")
            headers = {"If-Match": sent}
            inspector.send(method, thing.written, body, headers=headers, expect=(400, 412), label=repr(sent[:40]))
            person.delete(thing.written)
    assert not inspector.failures, inspector.report()


def test_conditions_on_what_is_not_there_are_404(person: Client, thing: Resource) -> None:
    """RFC 9110, 13.2.1: a condition is looked at only where the request would succeed without it."""
    for condition in ({"If-Match": "*"}, {"If-Match": STRANGE}, {"If-None-Match": "*"}):
        for method, path in (("GET", thing.read), ("PUT", thing.written), ("DELETE", thing.written)):
            body = thing.change if method == "PUT" else None
            assert person.send(method, path, body, headers=condition).status == 404


def test_a_broken_body_is_told_before_a_failed_condition(person: Client, thing: Resource) -> None:
    thing.create(person)
    assert person.put(thing.written, b"{", headers={"If-Match": STRANGE}).status == 400
    assert person.put(thing.written, {}, headers={"If-Match": STRANGE}).status == 422


def test_a_profile_keeps_what_a_put_leaves_out(person: Client) -> None:
    person.post("/profile", PROFILE)
    changes = [
        {"name": "Ada King"},
        {"phone": "+44 20 7946 0018"},
        {"shipping_address": "12 St James's Square\nLondon"},
    ]
    expected = dict(PROFILE)
    for change in changes:
        expected |= change
        shown = person.put("/profile", change).json
        assert {name: shown[name] for name in expected} == expected
        assert person.get("/profile/me").json == shown


def test_an_address_is_replaced_as_a_whole(person: Client) -> None:
    person.post("/profile", {**PROFILE, "shipping_address": {**ADDRESS, "line2": "Building 43"}})
    assert person.put("/profile", {"shipping_address": ADDRESS}).json["shipping_address"] == ADDRESS
    answer = person.put("/profile", {"shipping_address": {"line2": "Building 44"}})
    assert answer.status == 422
    assert person.get("/profile/me").json["shipping_address"] == ADDRESS


def test_nothing_and_null_wipe_nothing(person: Client) -> None:
    person.post("/profile", PROFILE)
    person.post("/profile/payment_info", PAYMENT)
    paths = ("/profile/me", "/profile/payment_info")
    before = [person.get(path).json for path in paths]
    inspector = Inspector(person)
    inspector.send("PUT", "/profile", {}, expect=422)
    inspector.send("PUT", "/profile/payment_info", {}, expect=422)
    for path in ("/profile", "/profile/payment_info"):
        inspector.send("PUT", path, expect=400)
        inspector.send("PUT", path, b"null", expect=400)
    for path, body in (("/profile", PROFILE), ("/profile/payment_info", PAYMENT)):
        for name in body:
            for nothing in (None, "", " ", "\u00a0\u3000"):
                inspector.send("PUT", path, {**body, name: nothing}, expect=422)
    for part in ADDRESS:
        inspector.send("PUT", "/profile", {"shipping_address": {**ADDRESS, part: None}}, expect=422)
    assert not inspector.failures, inspector.report()
    assert [person.get(path).json for path in paths] == before


def test_payment_information_is_replaced_as_a_whole(person: Client) -> None:
    person.post("/profile/payment_info", PAYMENT)
    shown = person.put("/profile/payment_info", {"payment_token": "tok_0123456789"}).json["payment_info"]
    assert {name: shown[name] for name in PAYMENT if name != "payment_token"} == {
        name: None for name in PAYMENT if name != "payment_token"
    }
    assert shown["token_hint"] == "6789"
    assert person.put("/profile/payment_info", {"brand": "visa"}).fault_codes() == {"/payment_token": "required"}
    assert person.get("/profile/payment_info").json == shown


def test_what_exists_is_not_created_again_and_what_does_not_is_not_changed(person: Client, thing: Resource) -> None:
    assert person.put(thing.written, thing.change).status == 404
    assert person.delete(thing.written).status == 404
    thing.create(person)
    before = person.get(thing.read).json
    assert person.post(thing.written, {**thing.created, **thing.change}).status == 409
    assert person.get(thing.read).json == before

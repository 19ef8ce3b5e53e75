"""Whoever registers, in whatever script and by whatever habit, reads back what they wrote, byte for byte.

API: "What a client sends in a field it gets back unchanged", and the formats of phones and addresses.
"""

import unicodedata
from collections.abc import Callable
from typing import Any

import pytest
from marshmallow import ValidationError

from tests.stories.habits import NO_PHONES, NO_POSTAL_CODES, PHONES, POSTAL_CODES
from tests.stories.world import WEST, Resident, parts
from tests.stories.world_east import EAST
from tests.support.people import PROFILE, Client
from user_service.profile.schemas import ProfileChangesSchema

WORLD = (*WEST, *EAST)


def spelled(value: Any, form: str) -> Any:
    """The same text with its letters composed (NFC) or taken apart (NFD)."""
    if isinstance(value, str):
        return unicodedata.normalize(form, value)
    return {member: unicodedata.normalize(form, text) for member, text in value.items()}


def differences(client: Client, sent: dict[str, Any]) -> list[str]:
    """Read again, and compare what was sent with what is shown. Python compares strings by code points."""
    shown = client.get("/profile/me").json
    return [f"{member}: {sent[member]!r} != {shown[member]!r}" for member in sent if shown[member] != sent[member]]


def settle(client: Client, resident: Resident) -> list[str]:
    """Register, log in by the address, and fill in the form; says what did not come back."""
    registered = client.register(resident.username, resident.mailbox)
    if registered.status != 201:
        return [registered.text]
    shown = registered.json["user"]
    if (shown["username"], shown["email"]) != (resident.username, resident.mailbox):
        return [f"user: {shown}"]
    assert client.log_in(resident.mailbox).status == 200
    created = client.post("/profile", resident.profile)
    if created.status != 201:
        return [created.text]
    if created.json["phone_e164"] != resident.e164:
        return [f"phone_e164: {created.json['phone_e164']}"]
    return differences(client, resident.profile | {"username": resident.username, "email": resident.mailbox})


def move(client: Client, changes: dict[str, Any], left_out: dict[str, str] | None = None) -> list[str]:
    """Change the profile; says what did not come back, or changed although it was left out."""
    changed = client.put("/profile", changes)
    if changed.status != 200:
        return [changed.text]
    missing = [f"{member}: {changed.json[member]!r}" for member in changes if changed.json[member] != changes[member]]
    return missing or differences(client, changes | (left_out or {}))


def test_the_world_is_wide_enough() -> None:
    assert len({resident.locale for resident in WORLD}) >= 24
    scripts = {
        unicodedata.name(letter).split()[0] for resident in WORLD for letter in resident.name if letter.isalpha()
    }
    assert len(scripts) >= 18
    names = " ".join(resident.name for resident in WORLD)
    assert {"\u200c", "\u200d", "\u0131", "'", "’", "ʻ"} <= set(names)
    assert max(len(resident.name) for resident in WORLD) > 150
    assert {type(resident.address) for resident in WORLD} | {type(r.new_address) for r in WORLD} == {str, dict}


def test_people_of_the_world_read_back_what_they_wrote(newcomer: Callable[[], Client]) -> None:
    failures: dict[str, list[str]] = {}
    for resident in WORLD:
        client = newcomer()
        problems = settle(client, resident) or move(client, resident.changes, left_out={"name": resident.name})
        if problems:
            failures[resident.locale] = problems
    assert not failures


def test_composed_and_decomposed_letters_come_back_as_they_were_written(person: Client) -> None:
    """macOS takes letters apart where Windows composes them: neither is corrected, in any field."""
    assert person.post("/profile", PROFILE).status == 201
    failures: dict[str, list[str]] = {}
    for resident in WORLD:
        for form, address in (("NFD", resident.address), ("NFC", resident.new_address)):
            changes = {"name": spelled(resident.name, form), "shipping_address": spelled(address, form)}
            problems = move(person, changes)
            if problems:
                failures[f"{resident.locale} {form}"] = problems
    assert not failures


def test_both_spellings_of_a_letter_live_side_by_side(person: Client) -> None:
    name = "Ame\u0301lie & Am\u00e9lie, \u212bsa & \u00c5sa & A\u030asa, ﬁ & fi, Ⅳ & IV, ｱ & ア"
    assert person.post("/profile", PROFILE | {"name": name}).json["name"] == name
    assert person.get("/profile/me").body.count("Ame\u0301lie & Am\u00e9lie".encode()) == 1


def test_an_address_in_letters_of_any_script_logs_in_however_it_is_spelled(newcomer: Callable[[], Client]) -> None:
    """Composed or taken apart, capital or small, the domain in its own script or in Punycode."""
    client = newcomer()
    assert client.register("jose", "Jose\u0301@bu\u0308cher.example").json["user"]["email"] == (
        "Jose\u0301@bu\u0308cher.example"
    )
    spellings = ("Jos\u00e9@b\u00fccher.example", "JOS\u00c9@B\u00dcCHER.EXAMPLE", "jos\u00e9@xn--bcher-kva.example")
    assert [client.log_in(spelling).status for spelling in spellings] == [200, 200, 200]
    taken = newcomer().register("jose2", "jos\u00e9@b\u00fccher.example")
    assert (taken.status, taken.code) == (409, "email_taken")


def test_line_breaks_and_inner_spaces_of_a_free_form_address_stay(person: Client) -> None:
    address = "c/o  Two  Spaces\r\n\r\n   indented by spaces\nlast line\u00a0with\u2003odd\u3000spaces"
    assert person.post("/profile", PROFILE | {"shipping_address": f"\n {address} \r\n"}).status == 201
    assert person.get("/profile/me").json["shipping_address"] == address


def refused(field: str, value: Any) -> str | None:
    """What the schema says against it. No database is asked: that it keeps text as it is, is told above."""
    try:
        assert ProfileChangesSchema().load({field: value}) == {field: value}
    except ValidationError as error:
        return str(error.messages)
    return None


@pytest.mark.parametrize("habit", PHONES)
def test_a_phone_is_taken_in_the_habit_of_its_place(habit: str) -> None:
    """API: "5 to 20 digits with the usual punctuation"."""
    failures = [phone for phone in PHONES[habit] if refused("phone", phone)]
    assert not failures


@pytest.mark.parametrize("habit", POSTAL_CODES)
def test_a_postal_code_is_taken_in_the_habit_of_its_place(habit: str) -> None:
    """API: "whose required parts and formats follow the country"."""
    addresses = [parts(country, "1", "City", code, "Region") for country, code in POSTAL_CODES[habit]]
    failures = [address for address in addresses if refused("shipping_address", address)]
    assert not failures


def test_what_is_no_phone_and_no_postal_code_is_still_refused() -> None:
    """So that taking habits kindly does not come to mean taking anything."""
    taken = [phone for phone in NO_PHONES if not refused("phone", phone)]
    addresses = [parts(country, "1", "City", code, "Region") for country, code in NO_POSTAL_CODES]
    assert not taken
    assert not [address for address in addresses if not refused("shipping_address", address)]

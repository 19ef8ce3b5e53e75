"""Which bodies are read, and how the others are refused.

SECURITY 132 (media types), 133 (malformed JSON), 134 (duplicate members), 135 (depth, members, size).
"""

import gzip
import json
import time
import zlib
from collections.abc import Callable

from tests.support.hostile import CREATE_PROFILE, LOG_IN, ON_ONE_DATABASE, PLACES, QUICK_SECONDS, REGISTER, Inspector
from tests.support.people import PROFILE, Client

pytestmark = ON_ONE_DATABASE
LIMIT = 64 * 1024

NO_JSON = """
    nul NULL None undefined True FALSE yes NaN Infinity -Infinity +1 .5 1. 01 -01 1e 1e+ 0x10 0b1 1_000 -- -
    'a' "a {a:1} {"a":} {"a" 1} {"a":1,} {,} {"a":1,,"b":2} {"a":1 [1] [1,] [1 {"a":1}} {"a":1}{} {"a":1},
    {'a':1} {"a":'b'} {"a":NaN} {"a":Infinity} {"a":-Infinity} {"a":nan} {"a":+1} {"a":.5} {"a":1.} {"a":01}
    {"a":1e999} {"a":-1e999} {"a":1E400} {"a":0x1} {"a":1_0} {"a":True} {"a":None} {"a":undefined} {"a":[1,]}
    {"a":[1,,2]} {"a":[} {"a":]} {"a":{"b":1} {1:2} {null:1} {true:1} {[]:1} {"a":1;"b":2} {"a"=1} {"a":"\\x41"}
    {"a":"\\u00"} {"a":"\\u00g0"} {"a":"\\q"} {"a":"b} {"a":"\\"} {"a":1}// {"a":1}/**/ //{"a":1} #{} <a/>
    a=1&b=2 )]}',{"a":1} while(1);{} callback({}) &#123;&#125; %7B%7D e30= \\u007b\\u007d
"""
NO_JSON_WITH_SPACES = ["{} {}", '{"a" 1}', '{"a":1} {"b":2}', '{"a": 1 2}', '{"a":"x" "y"}', "{\u2028}", "{ , }"]
SCALARS = ["null", "true", "false", "0", "1", "-1.5", '"text"', '""', "[]", "[{}]", '[["username","a"]]']
SURROGATES = [
    r'{"\ud800":1}',
    r'{"a":"\ud800"}',
    r'{"a":"\udc00"}',
    r'{"a":"\udc00\ud800"}',
    r'{"a":"\ud800\ud800"}',
    r'{"a":["\ud800"]}',
    r'{"a":{"b":"\udfff"}}',
    r'{"a":{"\udfff":1}}',
    r'{"username":"ada\ud83d"}',
]
DUPLICATES = [
    '{"a":1,"a":1}',
    '{"a":1,"a":2}',
    r'{"a":1,"\u0061":2}',
    '{"username":"a","username":"b"}',
    '{"shipping_address":{"city":"a","city":"b"}}',
    '{"a":[{"b":1,"b":2}]}',
    '{"":1,"":2}',
    '{"a":null,"b":1,"a":null}',
]
OTHER_ENCODINGS = [
    b'\xef\xbb\xbf{"a":1}',
    *('{"a":1}'.encode(name) for name in ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le")),
    '{"a":"é"}'.encode("latin-1"),
    '{"a":"日本"}'.encode("shift-jis"),
    b'{"a":"\xed\xa0\x80"}',
    b'{"a":"\xc0\xaf"}',
    b'{"a":"\xf4\x90\x80\x80"}',
    b'{"a":"\xff"}',
    b'{"a\xfe":1}',
    b'{"a":"\x80"}',
    b'{"a":"\xe2\x82"}',
]
CONTROL_CHARACTERS = [b'{"a":"\x00"}', b'{"a":"\n"}', b'{"a":"\x1f"}', b"\x00", b"{}\x00", b"\x0c{}", b'{"a":\x0b1}']
NOTHING = [b"", b" ", b"\r\n", b"\t\t", b"\xc2\xa0{}"]
TOO_LONG_NUMBERS = ['{"a":' + "9" * 5000 + "}", '{"a":-' + "9" * 60_000 + "}"]
MALFORMED: list[bytes] = [
    *(
        body.encode()
        for body in (*NO_JSON.split(), *NO_JSON_WITH_SPACES, *SCALARS, *SURROGATES, *DUPLICATES, *TOO_LONG_NUMBERS)
    ),
    *OTHER_ENCODINGS,
    *CONTROL_CHARACTERS,
    *NOTHING,
]


def nested(depth: int, opening: str = "[", closing: str = "]") -> bytes:
    """An object with a member that makes it `depth` deep."""
    return f'{{"a":{opening * (depth - 1)}{closing * (depth - 1)}}}'.encode()


def members(count: int) -> bytes:
    return json.dumps({f"m{number}": number for number in range(count)}).encode()


def test_a_malformed_body_is_400_everywhere(person: Client) -> None:
    bodies = list(dict.fromkeys(MALFORMED))
    assert len(bodies) >= 110
    inspector = Inspector(person)
    for place in PLACES:
        for body in bodies:
            if body or place.path != "/logout":  # log-out needs no body
                inspector.post_to(place, body, expect=400)
    assert not inspector.failures, inspector.report()
    assert person.get("/sessions").status == 200, "one of them closed the session"


def test_a_body_that_a_lenient_reader_takes_never_changes_anything(person: Client) -> None:
    """What the last or the first of two members says must not matter, since readers disagree about it."""
    inspector = Inspector(person)
    person.post("/profile", PROFILE)
    for body in (b'{"name":"One","name":"Two"}', b'{"name":"One"}{"name":"Two"}', b'{"name":"One"} x'):
        inspector.send("PUT", "/profile", body, expect=400)
    assert not inspector.failures, inspector.report()
    assert person.get("/profile/me").json["name"] == PROFILE["name"]


MEDIA_TYPES = [
    "",
    "text/plain",
    "text/json",
    "text/html",
    "text/javascript",
    "application/javascript",
    "application/xml",
    "text/xml",
    "application/x-www-form-urlencoded",
    "multipart/form-data",
    "multipart/form-data; boundary=x",
    "multipart/mixed; boundary=x",
    "application/octet-stream",
    "application/json5",
    "application/jsonp",
    "application/x-json",
    "application/vnd.api+json",
    "application/problem+json",
    "application/merge-patch+json",
    "application/json-patch+json",
    "application/x-ndjson",
    "application/msgpack",
    "application/yaml",
    "application/json; charset=utf-16",
    "application/json; charset=latin-1",
    "application/json; charset=utf-7",
    "application/json, text/plain",
    "text/plain; application/json",
    "application/*",
    "*/*",
    "json",
    "application",
    "application/json\x00",
    "applicatiоn/json",
]


def test_only_json_in_utf_8_is_read(person: Client) -> None:
    inspector = Inspector(person)
    for place in PLACES:
        for media_type in MEDIA_TYPES:
            wire = media_type.encode().decode("latin-1")
            inspector.post_to(place, place.body, headers={"Content-Type": wire}, expect=415, label=repr(media_type))
    assert not inspector.failures, inspector.report()


def test_json_goes_by_any_spelling_of_its_media_type(newcomer: Callable[[], Client]) -> None:
    inspector = Inspector(newcomer())
    for media_type in (
        "application/json",
        "APPLICATION/JSON",
        "application/json;charset=UTF-8",
        'application/json; charset="utf-8"',
        "application/json; Charset=utf8",
        "application/json;",
        " application/json ",
        "application/json; profile=x",
    ):
        inspector.post_to(LOG_IN, LOG_IN.body, headers={"Content-Type": media_type}, expect=401, label=media_type)
    assert not inspector.failures, inspector.report()


def test_a_form_or_a_multipart_body_is_never_taken_for_json(newcomer: Callable[[], Client]) -> None:
    inspector = Inspector(newcomer())
    form = b"username=nobody.at.all&password=plum+tractor+sings+low"
    part = b'--x\r\nContent-Disposition: form-data; name="username"\r\n\r\nnobody\r\n--x--\r\n'
    inspector.post_to(LOG_IN, form, headers={"Content-Type": "application/x-www-form-urlencoded"}, expect=415)
    inspector.post_to(LOG_IN, form, expect=400)
    inspector.post_to(LOG_IN, part, headers={"Content-Type": "multipart/form-data; boundary=x"}, expect=415)
    inspector.post_to(LOG_IN, part, expect=400)
    assert not inspector.failures, inspector.report()


def test_a_compressed_body_is_refused_and_not_unpacked(newcomer: Callable[[], Client]) -> None:
    inspector = Inspector(newcomer())
    small, bomb = json.dumps(LOG_IN.body).encode(), b'{"username":"' + b"a" * 20_000_000 + b'"}'
    for data in (gzip.compress(small), zlib.compress(small), gzip.compress(bomb), small):
        for coding in ("gzip", "deflate", "br", "zstd", "compress", "identity, gzip", "gzip, gzip", "x"):
            before = time.thread_time()
            inspector.post_to(LOG_IN, data, headers={"Content-Encoding": coding}, expect=415, label=coding)
            inspector.check(time.thread_time() - before < QUICK_SECONDS, f"{coding} took long")
    inspector.post_to(LOG_IN, small, headers={"Content-Encoding": "identity"}, expect=401)
    assert not inspector.failures, inspector.report()


def test_deep_wide_and_large_bodies_are_refused_quickly(person: Client) -> None:
    inspector = Inspector(person)
    person.another_device().register()  # what is read once is read now
    bombs = {
        "33 lists": (nested(33), 400),
        "33 objects": (nested(33, '{"a":', "}").replace(b":}", b":1}"), 400),
        "1,000 lists": (nested(1000), 400),
        "10,000 lists": (nested(10_000), 400),
        "10,000 objects": (nested(10_000, '{"a":', "}").replace(b":}", b":1}"), 400),
        "30,000 lists unclosed": (b'{"a":' + b"[" * 30_000, 400),
        "60,000 lists in no object": (b"[" * 60_000, 400),
        "101 members": (members(101), 400),
        "3,000 members": (members(3000), 400),
        "101 members inside": (b'{"a":' + members(101) + b"}", 400),
        "a list of 30,000": (b'{"a":[' + b"1," * 30_000 + b"1]}", 422),
        "a list of 15,000 objects": (b'{"a":[' + b"{}," * 15_000 + b"{}]}", 422),
        "a long name": (b'{"' + b"n" * 60_000 + b'":1}', 422),
        "a long string": (b'{"name":"' + b"a" * 60_000 + b'"}', 422),
        "a string of escapes": (b'{"name":"' + rb"\u0041" * 10_000 + b'"}', 422),
        "white space": (b" " * 60_000 + b"{}", 422),
        "one byte too many": (b'{"a":"' + b"x" * (LIMIT - 7) + b'"}', 413),
        "a megabyte": (b'{"a":"' + b"x" * 1_000_000 + b'"}', 413),
    }
    for label, (body, status) in bombs.items():
        seconds = []
        for place in (REGISTER, CREATE_PROFILE):
            before = time.thread_time()
            inspector.post_to(place, body, expect=status, label=label)
            seconds.append(time.thread_time() - before)
        inspector.check(min(seconds) < QUICK_SECONDS, f"{label}: {seconds}")
    assert not inspector.failures, inspector.report()


def test_what_is_just_inside_the_limits_is_read(person: Client) -> None:
    inspector = Inspector(person)
    largest = b'{"a":"' + b"x" * (LIMIT - 8) + b'"}'
    assert len(largest) == LIMIT
    for body in (nested(32), members(100), largest, b' \r\n\t{"a":1}\n', rb'{"a":"\ud83d\ude00"}', b'{"a":1e308}'):
        answer = inspector.post_to(REGISTER, body, expect=422, label=repr(body[:20]))
        inspector.check("unknown_field" in answer.fault_codes().values(), f"{body[:20]!r}: {answer.text[:200]}")
    assert not inspector.failures, inspector.report()

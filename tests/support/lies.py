"""Tokens that lie and are well signed: the signature alone must not open a door (SECURITY 58, 60-62, 64, 67-69, 77)."""

import hmac
import json
import time
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

from tests.support.forgery import ABSENT, Forger, Tokens, compact, encoded, es256, shown

NAN, INFINITY = float("nan"), float("inf")
DAY = 86_400
TYPES = ["reset", "mfa", "id", "", "Access", "REFRESH", "access ", "access\0", "access,refresh", "*", ["access"],
         ["refresh"], ["access", "refresh"], {"type": "access"}, True, 0, 1, None, ABSENT]  # fmt: skip  # a table
# What is no number of seconds, for any of the times.
NO_TIMES = ["", "soon", "2099-01-01T00:00:00Z", NAN, INFINITY, -INFINITY, [], {}, [4102444800], True, None]
NO_GENERATIONS = ["1", "", 1.0, 1.5, True, False, None, [1], {}, NAN, INFINITY, ABSENT,
                  0, -1, 2**31, 2**63, 2**64, 10**400]  # fmt: skip  # a table
NO_PARTIES = ["", " ", "*", None, True, 1, [], {}, ["*"], "http://", ABSENT]
NO_TYPS = ["", "JWT", "jwt", "id+jwt", "secevent+jwt", "at", "at+jwt ", "rt+jwt,at+jwt", None, True, 1, [], ["at+jwt"],
           ["rt+jwt"], {}, ABSENT]  # fmt: skip  # a table
CRITICAL = [["exp"], ["b64"], ["kid"], ["urn:example:unknown"], ["exp", "exp"], [""], [], "exp", {}, None, True, 1]
ALGORITHMS = ["es256", "Es256", "ES256 ", "ES384", "HS256", "none", "", ["ES256"], {}, None, True, 1, ABSENT]
# No JSON object, or none that a header or a set of claims could be.
NO_OBJECTS = [b"", b"\xff\xfe\xfd", b'{"a":"\xc3\x28"}', b'{"a":"\xed\xa0\x80"}', b'{"alg":"ES256"', b"{'alg':'ES256'}",
              b"{}", b"[]", b'"x"', b"1", b"null", b"true", b"NaN", b"<a/>", bytes(9), b"[" * 3000, b'{"a":' * 1000,
              b"[" * 500 + b"]" * 500, b'{"a":' * 900 + b"1" + b"}" * 900,
              b'{"exp":' + b"9" * 4400 + b"}"]  # fmt: skip  # a table
SCRAPS = [".", "..", "...", "a", "a.b", "a.b.c", "a.b.c.d", "e30.e30.", "e30.e30.e30", "!.?.*", "{}", "null", "%00"]
KIDS = ["", " ", ".", "..", "../../../../dev/null", "/dev/null", "/proc/self/environ", "C:\\Windows\\win.ini",
        "file:///dev/null", "http://127.0.0.1/key", "' OR '1'='1", "' UNION SELECT 'secret' --", "1; DROP TABLE users",
        "x'; SELECT pg_sleep(9) --", "| id", "$(id)", "`id`", "; sleep 9", "a\r\nX-Key: b", "a\0", "{{7*7}}",
        "%s%s%s%n", "\ud800", "\U0001f511" * 20, "k" * 4000, None, True, 0, 1.5, -1, 10**400, [], {}, {"$ne": None},
        "current_signing_key", "__class__", ABSENT]  # fmt: skip  # a table


def naming_another_key(forger: Forger) -> Tokens:
    """SECURITY 58. Well signed, too: the key is the one that `kid` names, or none."""
    kid = forger.header["kid"]
    near = [kid[:-1], f"{kid}0", f" {kid}", f"{kid}\0", f"./{kid}", kid.swapcase(), [kid], {"kid": kid}]
    for value in (*KIDS, *near):
        yield f"kid {shown(value)}, foreign key", forger.imitate(kid=value)
        yield f"kid {shown(value)}, stolen key", forger.lie(header={"kid": value})
    empty = forger.imitate(lambda signed: hmac.digest(b"", signed, "sha256"), alg="HS256", kid="/dev/null")
    yield "kid of an empty file, empty secret", empty


def of_another_type(forger: Forger) -> Tokens:
    """SECURITY 59, 60."""
    typ = {"access": "rt+jwt", "refresh": "at+jwt"}[forger.kind]
    other = {"access": "refresh", "refresh": "access"}[forger.kind]
    for value in TYPES:
        yield f"type {shown(value)}", forger.lie({"type": value})
        yield f"type {shown(value)} without typ", forger.lie({"type": value}, {"typ": ABSENT})
        yield f"type {shown(value)} with typ null", forger.lie({"type": value}, {"typ": None})
    yield "of the other type", forger.lie({"type": other})
    yield "of the other typ", forger.lie(header={"typ": typ})
    yield "of the other type and typ", forger.lie({"type": other}, {"typ": typ})


def with_wrong_times(forger: Forger) -> Tokens:
    """SECURITY 61, 62."""
    now = int(time.time())
    times = {
        "exp": [*NO_TIMES, now + 61 * DAY, now + 365 * DAY, str(now + 600), f"{now + 600}.5", 2**63, 10**400, ABSENT],
        "iat": [*NO_TIMES, now + 61, now + DAY, str(now), 2**63, 10**400, ABSENT],
        "nbf": [*(value for value in NO_TIMES if value is not True), now + 61, now + DAY, 2**63, 10**400],
    }
    for claim, values in times.items():
        for value in values:
            yield f"{claim} {shown(value)}", forger.lie({claim: value})
    for text in ("1e400", "-1e400", "9" * 4200, "9" * 4400, "[" * 2000):
        claims = json.dumps(forger.claims).replace(f'"exp": {forger.claims["exp"]}', f'"exp": {text}')
        yield f"exp spelt {text[:9]} ({len(text)})", compact(forger.header, claims, es256(forger.stolen_key))


def expired(forger: Forger) -> Tokens:
    """SECURITY 61. Authentic, and out of time."""
    now = int(time.time())
    for value in (now - 11, now - 3600, now - 365 * DAY, 1, 0, -1, -(2**63), -(10**400)):
        yield f"exp {shown(value)}", forger.lie({"exp": value})


def of_wrong_parties(forger: Forger) -> Tokens:
    """SECURITY 64."""
    for claim in ("iss", "aud"):
        own = forger.claims[claim]
        near = [own[:-1], own[:8], f"{own}/", f"{own}.evil.example", f" {own}", f"{own}\0", own.upper(), [own, own],
                [own, "http://other.test"], ["http://other.test", own], [[own]], {own: own}]  # fmt: skip  # a table
        for value in (*NO_PARTIES, *near):
            yield f"{claim} {shown(value)}", forger.lie({claim: value})
    yield "iss in a list", forger.lie({"iss": [forger.claims["iss"]]})
    yield "iss and aud swapped", forger.lie({"iss": forger.claims["aud"], "aud": forger.claims["iss"]})


def without_proper_ids(forger: Forger) -> Tokens:
    for claim in ("sub", "sid", "jti"):
        own = forger.claims[claim]
        near = [own.upper(), own.replace("-", ""), f"urn:uuid:{own}", f"{{{own}}}", f" {own}", f"{own}\0", own[:-1],
                f"{own}0", [own], {"id": own}, UUID(own).int]  # fmt: skip  # a table
        for value in (*near, "", "admin", "%", "' OR '1'='1", None, True, 0, 1, 1.5, [], {}, ABSENT):
            yield f"{claim} {shown(value)}", forger.lie({claim: value})
    for value in NO_GENERATIONS:
        yield f"gen {shown(value)}", forger.lie({"gen": value})


def with_wrong_headers(forger: Forger) -> Tokens:
    """SECURITY 67, 77."""
    wrong: Mapping[str, list[Any]] = {"crit": CRITICAL, "typ": NO_TYPS, "alg": ALGORITHMS}
    for member, values in wrong.items():
        for value in values:
            yield f"{member} {shown(value)}", forger.lie(header={member: value})
    yield "b64 false", forger.lie(header={"b64": False})
    for crit in (["b64"], ["exp", "b64"], ABSENT):
        yield f"b64 false, crit {shown(crit)}", forger.lie(header={"b64": False, "crit": crit})
        yield from _unencoded(forger, {"b64": False, "crit": crit})


def _unencoded(forger: Forger, members: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """RFC 7797: the claims are signed as they are, and travel apart."""
    header = encoded({name: value for name, value in {**forger.header, **members}.items() if value is not ABSENT})
    signature = encoded(es256(forger.stolen_key)(f"{header}.{json.dumps(forger.claims)}".encode()))
    name = f"unencoded, crit {shown(members['crit'])}"
    yield f"{name}, claims left out", f"{header}..{signature}"
    yield f"{name}, claims encoded", f"{header}.{forger.parts[1]}.{signature}"


def misshapen(forger: Forger) -> Tokens:
    """SECURITY 68, 69."""
    yield from _near(forger).items()
    for text in SCRAPS:
        yield f"the text {text}", text
    for length in (8_193, 60_000):
        for character in (".", "a", "=", "["):
            yield f"{length} times {character}", character * (length // len(character.encode()))
    yield "well signed, and longer than any token", forger.lie({"note": "x" * 7_000})
    sign = es256(forger.stolen_key)
    for text in NO_OBJECTS:
        yield f"header {text[:20]!r} ({len(text)})", compact(text, forger.claims, sign)
        yield f"claims {text[:20]!r} ({len(text)})", compact(forger.header, text, sign)
    for claim in forger.claims.keys() - {"fresh"}:
        for depth in (300, 900, 2500):
            text = json.dumps({**forger.claims, claim: "@"}).replace('"@"', "[" * depth + "]" * depth)
            yield f"{claim} nested {depth} deep", compact(forger.header, text, sign)


def _near(forger: Forger) -> dict[str, str]:
    """The genuine token, not quite: what a lenient reader would make a whole one of."""
    token, (header, claims, signature) = forger.token, forger.parts
    return {
        "padded": f"{token}==",
        "padded once": f"{token}=",
        "with a padded header": f"{header}=.{claims}.{signature}",
        "with padded claims": f"{header}.{claims}=.{signature}",
        "with a space inside": f"{header}. {claims}.{signature}",
        "with a space in the signature": f"{token[:-9]} {token[-9:]}",
        "with an invisible space": f"{token}\u200b",
        "with an ideographic full stop": f"{header}\u3002{claims}\u3002{signature}",
        "with full-width letters": "".join(
            chr(ord(letter) + 0xFEE0) if letter.isalpha() else letter for letter in token
        ),
        "with a junk character": f"{header}!.{claims}.{signature}",
        "with the other alphabet": f"{header}.{claims}.+/{signature[2:]}",
        "in quotes": f'"{token}"',
        "in angle brackets": f"<{token}>",
        "with a comma": f"{token},",
        "with a dot before": f".{token}",
        "with a dot behind": f"{token}.",
        "twice": f"{token}.{token}",
        "twice, with a comma": f"{token},{token}",
        "under a scheme": f"Bearer {token}",
        "percent-encoded": token.replace(".", "%2E"),
        "in upper case": token.upper(),
        "backwards": token[::-1],
        "without its first character": token[1:],
        "without its last character": token[:-1],
        "with other last bits": f"{token[:-1]}{chr(ord(token[-1]) + 1)}",
        "in five parts": f"{header}.{claims}.{signature}.{claims}.{signature}",
        "as a JSON serialization": json.dumps({"protected": header, "payload": claims, "signature": signature}),
        "in base64": encoded(token),
    }

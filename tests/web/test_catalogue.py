"""Every code that the service can answer is explained, with the right status, for good. SECURITY 130, 131."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from flask import abort
from werkzeug.exceptions import default_exceptions

from tests.support.document import app_without_database
from tests.support.people import Client, InProcess
from user_service.web.catalogue import CATALOGUE

PACKAGE = Path(__file__).parents[2] / "user_service"
# Clients rely on these. Add what is new; never change a line, and never take one away.
PUBLISHED = """
400 bad_request invalid_json
401 token_required invalid_credentials invalid_token token_expired token_revoked refresh_token_reused
401 one_time_token_invalid
403 account_disabled forbidden wrong_password insufficient_scope email_not_verified
404 not_found profile_not_found payment_info_not_found session_not_found error_not_found
404 client_not_found key_not_found user_not_found
405 method_not_allowed
409 username_taken email_taken profile_exists payment_info_exists client_name_taken last_key
412 precondition_failed
413 request_too_large
415 unsupported_media_type
422 validation_failed raw_card_number_refused required null unknown_field invalid_type invalid_format
422 control_character too_short too_long out_of_range reserved unknown_country invalid_cursor
422 password_too_short password_too_long password_common password_contains_identity
429 too_many_requests
500 internal_error
503 service_unavailable
"""
# Which argument of a call is a code.
CODE_ARGUMENT = {"refusal": 0, "Coded": 0, "Fault": 1, "problem": 0}
# Where a code is computed, its possible values stand in tuples like these: (length, position of the code).
TUPLES = {"security/password_policy.py": (2, 0), "profile/formats.py": (3, 1)}
COMPUTED = {"auth/service.py", "profile/schemas.py", "web/problems.py", "web/schema.py"}


def trees() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        yield str(path.relative_to(PACKAGE)), ast.parse(path.read_text())


def texts(node: ast.AST) -> set[str]:
    """Every string literal at or below the node."""
    return {each.value for each in ast.walk(node) if isinstance(each, ast.Constant) and isinstance(each.value, str)}


def code_arguments(tree: ast.Module) -> Iterator[ast.expr]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CODE_ARGUMENT:
            yield node.args[CODE_ARGUMENT[node.func.id]]


def codes_of_errors(tree: ast.Module) -> Iterator[str]:
    """The `code` of each exception class."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and any(
            isinstance(base, ast.Name) and base.id == "DomainError" for base in node.bases
        ):
            for statement in node.body:
                if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "code":
                    yield from texts(statement.value)


def codes_in_tables(tree: ast.Module) -> Iterator[str]:
    """The values of dictionaries whose name ends in CODES."""
    for node in ast.walk(tree):
        is_table = isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict)
        if is_table and ast.unparse(node.targets[0]).endswith("_CODES"):
            yield from (code for value in node.value.values for code in texts(value))


def codes_in_tuples(tree: ast.Module, length: int, position: int) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Tuple) and len(node.elts) == length and texts(node.elts[position]):
            yield from (text for text in texts(node.elts[position]) if re.fullmatch("[a-z]+(_[a-z]+)*", text))


def raised() -> set[str]:
    """Every code that the source can raise, read from the source itself."""
    found: set[str] = set()
    for name, tree in trees():
        found.update(codes_of_errors(tree), codes_in_tables(tree))
        for argument in code_arguments(tree):
            found |= texts(argument)
        if name == "web/problems.py":
            found |= {"bad_request", "internal_error"}  # what an HTTP status without an entry of its own becomes
        if name in TUPLES:
            found.update(codes_in_tuples(tree, *TUPLES[name]))
    return found - {""}


@pytest.fixture
def reader() -> Client:
    return Client(InProcess(app_without_database()))


def test_every_code_that_is_raised_is_in_the_catalogue() -> None:
    found = raised()
    assert {"username_taken", "invalid_json", "unknown_country", "password_common", "not_found", "null"} <= found
    assert not found - set(CATALOGUE)


def test_nothing_in_the_catalogue_is_unused() -> None:
    assert not set(CATALOGUE) - raised()


def test_codes_are_computed_only_where_this_test_knows_their_values() -> None:
    computed = {name for name, tree in trees() for code in code_arguments(tree) if isinstance(code, ast.Name)}
    assert computed <= COMPUTED


def test_codes_and_their_statuses_only_ever_grow() -> None:
    lines = [line.split() for line in PUBLISHED.strip().splitlines()]
    published = {code: int(status) for status, *codes in lines for code in codes}
    present = {code: entry.status for code, entry in CATALOGUE.items()}
    assert {code: present.get(code) for code in published} == published, "a published code was changed or taken away"
    assert not set(present) - set(published), "new codes: add them to PUBLISHED"


def test_every_entry_says_why_and_what_to_do() -> None:
    for code, entry in CATALOGUE.items():
        assert re.fullmatch("[a-z]+(_[a-z]+)*", code)
        assert entry.title[0].isupper(), code
        assert not entry.title.endswith("."), code
        assert entry.why.endswith("."), code
        assert entry.remedy.endswith("."), code
    titles = [entry.title for entry in CATALOGUE.values()]
    assert len(set(titles)) == len(titles)


def test_every_code_is_explained_under_its_address(reader: Client) -> None:
    listed = reader.get("/errors")
    assert listed.status == 200
    assert [entry["code"] for entry in listed.json["data"]] == list(CATALOGUE)
    for entry in listed.json["data"]:
        answer = reader.get(f"/errors/{entry['code']}")
        assert (answer.status, answer.json) == (200, entry)
        assert answer.headers["Cache-Control"] == "public, max-age=300"


def test_a_code_that_does_not_exist_is_not_found(reader: Client) -> None:
    for code in ("no_such_code", "Bad_Request", "bad_request%00", "..", "%3Cscript%3E"):
        answer = reader.get(f"/errors/{code}")
        assert (answer.status, answer.code) == (404, "error_not_found"), code
    assert reader.get("/errors/a/b").code == "not_found"


def test_the_type_of_a_problem_leads_to_its_explanation(reader: Client) -> None:
    problem = reader.post("/register", b"{").json
    address = urlsplit(problem["type"])
    assert f"{address.scheme}://{address.netloc}" == "http://users.test"
    explained = reader.get(address.path).json
    assert {member: explained[member] for member in ("code", "status", "title")} == {
        member: problem[member] for member in ("code", "status", "title")
    }


def test_every_error_of_http_has_a_code() -> None:
    app = app_without_database()
    app.add_url_rule("/raise/<int:code>", "raise", abort)
    client = Client(InProcess(app))
    assert len(default_exceptions) > 25
    for status in default_exceptions:
        answer = client.get(f"/raise/{status}")
        assert (answer.status, answer.json["status"]) == (status, status)
        assert CATALOGUE[answer.code].status in (status, 400 if status < 500 else 500), status

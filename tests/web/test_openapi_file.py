"""docs/openapi.json is what production serves, for those who make a client before they run the service."""

import json
from pathlib import Path

from tests.support.document import published

FILE = Path(__file__).parents[2] / "docs" / "openapi.json"
PUBLIC_URL = "https://users.example.com"


def test_the_committed_document_is_the_one_that_is_served() -> None:
    served = published("production", public_url=PUBLIC_URL, jwt_issuer=PUBLIC_URL, jwt_audience=PUBLIC_URL)
    assert json.loads(FILE.read_text()) == served, "out of date; run: make openapi"


def test_it_is_written_for_people_who_compare_two_versions() -> None:
    text = FILE.read_text()
    assert text == json.dumps(json.loads(text), indent=2, ensure_ascii=False) + "\n"

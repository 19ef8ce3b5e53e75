"""The docs tell the truth: links lead somewhere, tests that they name exist, settings are the ones that are read."""

import re
import runpy
from dataclasses import fields
from pathlib import Path

import pytest

from user_service.doors import SPANS, Door
from user_service.settings import MEANINGS, Settings

ROOT = Path(__file__).parent.parent
TOP = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")
PAGES = [*(ROOT / name for name in TOP), *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"\[([^\]]+)\]\((?!https?:)([^)#]+)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    broken = [target for _, target in LINK.findall(page.read_text()) if not (page.parent / target).exists()]
    assert not broken


def test_every_test_that_the_security_page_names_exists() -> None:
    page = (ROOT / "docs" / "security.md").read_text()
    named = [(name, target) for name, target in LINK.findall(page) if name.startswith("test_") and ".py" not in name]
    missing = [name for name, target in named if f"def {name}(" not in (ROOT / "docs" / target).read_text()]
    assert len(named) > 150
    assert not missing


def test_every_setting_that_is_read_has_a_meaning() -> None:
    read = {field.name.upper() for field in fields(Settings)}
    assert read == set(MEANINGS), "a line in MEANINGS of user_service/settings.py; then: make docs"


def test_the_readme_has_the_table_of_settings_that_is_made_of_them() -> None:
    text = (ROOT / "README.md").read_text()
    written = runpy.run_path(str(ROOT / "docs" / "write_tables.py"))["with_table"](text)
    assert text == written, "out of date; run: make docs"


def test_the_table_of_limits_is_the_one_in_force() -> None:
    page = (ROOT / "docs" / "limits.md").read_text()
    rows = re.findall(r"^\| (?:(.*) )?\| `([a-z-]+)` \| ([0-9,]+) an? (\w+) \| ([0-9,]+) \|$", page, re.MULTILINE)
    found = [(name, amount, span, alone) for _, name, amount, span, alone in rows]
    spans = {seconds: span for span, seconds in SPANS.items()}
    limits = [limit for door in Door for limit in door.limits({})]
    assert found == [
        (limit.name, f"{limit.rate.amount:,}", spans[limit.rate.seconds], f"{limit.rate_alone.amount:,}")
        for limit in limits
    ]
    assert [operation for operation, *_ in rows if operation] == [f"`{door.operation}`" for door in Door]

"""The docs tell the truth: links lead somewhere, tests that they name exist, settings are the ones that are read."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from user_service.doors import SPANS, Door
from user_service.settings import Settings

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
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


def test_the_readme_lists_the_settings_that_are_read() -> None:
    table = set(re.findall(r"`([A-Z][A-Z_]+)`", (ROOT / "README.md").read_text()))
    read = {field.name.upper() for field in fields(Settings)}
    assert read <= table, read - table


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

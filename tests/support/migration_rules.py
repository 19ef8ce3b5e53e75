"""What a migration may not do to a table that is in use, read from the SQL that it emits on PostgreSQL.

Each rule is about the lock that is taken and for how long (PostgreSQL manual: ALTER TABLE, Notes; CREATE INDEX), or
about what the release before would miss.
"""

import re
from collections.abc import Sequence

NAME = r'"?(?:\w+"?\."?)?(?P<table>\w+)"?'
ALTER = rf"ALTER TABLE (?:IF EXISTS )?(?:ONLY )?{NAME} .*"
# Evaluated once, so that no row is written anew.
CONSTANT = r"(?:'[^']*'(?:::\w+)?|-?[\d.]+|true|false|null|now\(\)|current_timestamp)(?:\s|,|$)"
KEPT = "CONSTRAINT|DEFAULT|NOT NULL|EXPRESSION|IDENTITY"
CONSTRAINTS = "CONSTRAINT|CHECK|FOREIGN KEY|UNIQUE|PRIMARY KEY"
RULES = (
    (rf"CREATE (?:UNIQUE )?INDEX (?!CONCURRENTLY).* ON (?:ONLY )?{NAME}", "blocks writers: create it CONCURRENTLY"),
    (rf"{ALTER}ADD COLUMN (?!.*DEFAULT).*NOT NULL", "needs a server default, or rows of the release before fail"),
    (rf"{ALTER}ADD COLUMN .*DEFAULT (?!{CONSTANT})", "writes every row anew: the default is not constant"),
    (rf"{ALTER}ADD COLUMN .*(?:UNIQUE|PRIMARY KEY|REFERENCES)", "scans under a lock: add the constraint apart"),
    (rf"{ALTER}ALTER (?:COLUMN )?\S+ (?:SET DATA )?TYPE", "writes every row anew: add a column instead"),
    (rf"{ALTER}SET NOT NULL", "scans under a lock: add a CHECK NOT VALID first"),
    (rf"{ALTER}ADD (?:{CONSTRAINTS})(?!.*(?:NOT VALID|USING INDEX))", "scans under a lock: NOT VALID first"),
    (rf"{ALTER}DROP (?:COLUMN )?(?!{KEPT})\S+", "the release before still reads it"),
    (rf"{ALTER}RENAME", "the release before still uses the old name"),
    (rf"DROP TABLE (?:IF EXISTS )?{NAME}", "the release before still uses it"),
    (rf"(?:UPDATE|DELETE FROM) (?:ONLY )?{NAME}", "one statement over all rows: do it in batches, by a command"),
    (rf"(?:LOCK|TRUNCATE)(?: TABLE)? (?:ONLY )?{NAME}", "stops everybody"),
    (rf"(?:CLUSTER|VACUUM|REINDEX)(?!.*CONCURRENTLY).* {NAME}", "stops everybody"),
)
CREATED = re.compile(rf"CREATE TABLE (?:IF NOT EXISTS )?{NAME}", re.IGNORECASE)
CONCURRENT = re.compile(r"CREATE (?:UNIQUE )?INDEX CONCURRENTLY (?:IF NOT EXISTS )?\"?(\w+)", re.IGNORECASE)
OWN_TABLE = "alembic_version"


def faults_of(statements: Sequence[str]) -> list[str]:
    """One line for each statement that a busy table would suffer from."""
    lines = [" ".join(statement.split()) for statement in statements]
    new = {match["table"] for line in lines if (match := CREATED.match(line))} | {OWN_TABLE}
    return [f"{why}: {line}" for line in lines for why in _broken(line, new)] + _left_half_made(lines)


def _broken(line: str, new: set[str]) -> list[str]:
    matches = [(re.match(pattern, line, re.IGNORECASE), why) for pattern, why in RULES]
    return [why for match, why in matches if match and match["table"] not in new]


def _left_half_made(lines: list[str]) -> list[str]:
    """An index whose making was cut short stays, invalid: it has to go before it is made again."""
    faults = []
    for index, line in enumerate(lines):
        match = CONCURRENT.match(line)
        if match and not any(
            re.match(rf"DROP INDEX .*\"?{match[1]}\"?$", before, re.IGNORECASE) for before in lines[:index]
        ):
            faults.append(f"DROP INDEX CONCURRENTLY IF EXISTS comes first: {line}")
    return faults

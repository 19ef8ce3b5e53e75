"""The application as it is without its fast paths."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from flask import Flask

from user_service.compiled import Compiled
from user_service.profile import service
from user_service.security.verified_tokens import VerifiedTokens
from user_service.web import ahead


@contextmanager
def plain(app: Flask) -> Iterator[None]:
    """The application without its fast paths."""
    fast = app.extensions["user_service"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Compiled, "first", Compiled._first_by_sqlalchemy)
        patch.setattr(ahead, "_is_plain", lambda _environ: False)
        patch.setattr(service, "takes_changes_with_their_record", lambda: False)
        forgetful = {"verified_tokens": VerifiedTokens(capacity=0), "minted_tokens": VerifiedTokens(capacity=0)}
        app.extensions["user_service"] = replace(fast, **forgetful)
        yield
    app.extensions["user_service"] = fast

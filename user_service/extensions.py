"""The extensions, created unbound: `create_app` binds them to an application."""

from typing import Any

from flask import current_app
from flask_jwt_extended import JWTManager
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import MetaData

# Every constraint gets a name that both databases and every migration agree on.
metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

db = SQLAlchemy(metadata=metadata, session_options={"expire_on_commit": False})
jwt = JWTManager()


def application_state() -> Any:
    """What `create_app` bound to the running application (`runtime.py` gives it its type)."""
    return current_app.extensions["user_service"]

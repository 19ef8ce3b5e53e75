"""What is there for development alone: `create_app` registers it under APP_ENV=development and nowhere else."""

from typing import Any
from uuid import UUID

from flask import Response
from marshmallow import fields

from user_service.auth.service import list_users as list_registered_users
from user_service.web.openapi import Blueprint
from user_service.web.paging import PageRequestSchema, PaginationSchema, page
from user_service.web.schema import Moment, Schema

blp = Blueprint("development", __name__, description="Development only: these do not exist in production")


class ListedUserSchema(Schema):
    id = fields.UUID(required=True)
    username = fields.String(required=True)
    email = fields.String(required=True)
    created_at = Moment(required=True)


class UsersResponseSchema(Schema):
    data = fields.List(fields.Nested(ListedUserSchema), required=True)
    pagination = fields.Nested(PaginationSchema, required=True)


@blp.route("/users", methods=["GET"])
@blp.arguments(PageRequestSchema, location="query")
@blp.problems("validation_failed")
@blp.response(200, UsersResponseSchema)
def list_users(query: dict[str, Any]) -> Response:
    """List all users, in order of registration"""

    def fetch(after: UUID | None, limit: int) -> list[Any]:
        return list_registered_users(after=after, limit=limit)

    return page("users", fetch, ListedUserSchema(), **query)

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
    example = {
        "id": "01939b1c-8a4e-7c1f-9d37-6f1f0c2a7b11",
        "username": "maria.silva",
        "email": "maria@example.com",
        "created_at": "2026-11-23T09:30:00.000Z",
    }

    id = fields.UUID(required=True)
    username = fields.String(required=True)
    email = fields.String(required=True, metadata={"format": "email"})
    created_at = Moment(required=True)


class UsersResponseSchema(Schema):
    example = {"data": [ListedUserSchema.example], "pagination": {"next_cursor": None, "has_more": False}}

    data = fields.List(fields.Nested(ListedUserSchema), required=True)
    pagination = fields.Nested(PaginationSchema, required=True)


@blp.route("/users", methods=["GET"])
@blp.arguments(PageRequestSchema, location="query")
@blp.response(200, UsersResponseSchema, headers=["Link"])
def list_users(query: dict[str, Any]) -> Response:
    """List all users

    In order of registration. This operation is there under APP_ENV=development alone.
    """

    def fetch(after: UUID | None, limit: int) -> list[Any]:
        return list_registered_users(after=after, limit=limit)

    return page("users", fetch, ListedUserSchema(), **query)

"""The endpoint written by the manuals of its libraries: three questions through the ORM, a new schema for each answer.

Nothing is made slow on purpose; nothing is made fast either.
"""

import os
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from flask import Flask, jsonify
from flask_jwt_extended import JWTManager, create_access_token, current_user, jwt_required
from flask_sqlalchemy import SQLAlchemy
from marshmallow import Schema, fields

db = SQLAlchemy()
jwt = JWTManager()


class User(db.Model):
    id = db.Column(db.Uuid, primary_key=True, default=uuid4)
    username = db.Column(db.String(64), unique=True, nullable=False)
    email = db.Column(db.String(254), unique=True, nullable=False)


class Profile(db.Model):
    user_id = db.Column(db.Uuid, db.ForeignKey("user.id"), primary_key=True)
    name = db.Column(db.String(200), nullable=False)
    phone = db.Column(db.String(40), nullable=False)
    shipping_address = db.Column(db.JSON, nullable=False)
    created_at = db.Column(db.DateTime, default=lambda: datetime.now(UTC))
    updated_at = db.Column(db.DateTime, default=lambda: datetime.now(UTC))


class RevokedToken(db.Model):
    jti = db.Column(db.String(36), primary_key=True)
    revoked_at = db.Column(db.DateTime, nullable=False)


class ProfileSchema(Schema):
    id = fields.UUID(attribute="user_id")
    username = fields.String()
    email = fields.Email()
    name = fields.String()
    phone = fields.String()
    shipping_address = fields.Dict()
    created_at = fields.DateTime()
    updated_at = fields.DateTime()


@jwt.token_in_blocklist_loader
def is_revoked(_header, claims):
    return db.session.query(RevokedToken.jti).filter_by(jti=claims["jti"]).scalar() is not None


@jwt.user_lookup_loader
def find_user(_header, claims):
    return db.session.query(User).filter_by(id=UUID(claims["sub"])).one_or_none()


def create_app() -> Flask:
    app = Flask(__name__)
    app.config.update(
        SQLALCHEMY_DATABASE_URI=os.environ["NAIVE_DATABASE_URL"],
        JWT_SECRET_KEY=os.environ["NAIVE_SECRET"],
        JWT_ACCESS_TOKEN_EXPIRES=timedelta(hours=1),
    )
    db.init_app(app)
    jwt.init_app(app)

    @app.get("/profile/me")
    @jwt_required()
    def read_profile():
        profile = db.session.query(Profile).filter_by(user_id=current_user.id).one_or_none()
        if profile is None:
            return jsonify(message="There is no profile."), 404
        shown = {**vars(profile), "username": current_user.username, "email": current_user.email}
        return jsonify(ProfileSchema().dump(shown))

    return app


def populate(app: Flask, count: int, profile: dict) -> list[str]:
    """Make the tables and this many users with profiles; gives back an access token of each."""
    tokens = []
    with app.app_context():
        db.create_all()
        for number in range(count):
            user = User(username=f"person{number}", email=f"person{number}@example.com")
            db.session.add(user)
            db.session.flush()
            db.session.add(Profile(user_id=user.id, **profile))
            tokens.append(create_access_token(identity=str(user.id)))
        db.session.commit()
        db.engine.dispose()
    return tokens

"""The rows that hold keys, each sealed by a master key."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, String, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from user_service.database import Base, Sealed, UtcDateTime, new_id
from user_service.security.vault import Envelope


class SealedDataKey(Base):
    """The data key of one user. Without this row, what is sealed of the user stays sealed for good."""

    __tablename__ = "data_keys"

    user_id: Mapped[UUID] = mapped_column(Uuid, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    key_id: Mapped[UUID] = mapped_column(default=new_id, unique=True)
    master_key_id: Mapped[str] = mapped_column(String(64), index=True)
    wrapped_key: Mapped[Envelope] = mapped_column(Sealed)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class ServiceSecret(Base):
    """A secret that only the service needs: a password pepper, the key of list cursors."""

    __tablename__ = "service_secrets"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    purpose: Mapped[str] = mapped_column(String(32), index=True)
    master_key_id: Mapped[str] = mapped_column(String(64))
    sealed_secret: Mapped[Envelope] = mapped_column(Sealed)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class SealedSigningKey(Base):
    """A key pair for tokens; its public half is published from creation, and signs from `activates_at`."""

    __tablename__ = "signing_keys"

    kid: Mapped[str] = mapped_column(String(64), primary_key=True)
    master_key_id: Mapped[str] = mapped_column(String(64))
    sealed_private_key: Mapped[Envelope] = mapped_column(Sealed)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    activates_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

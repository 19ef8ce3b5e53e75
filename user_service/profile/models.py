from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, String, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from user_service.database import Base, Sealed, UtcDateTime
from user_service.security.vault import Envelope


class Profile(Base):
    """How to reach a user and where to send things. Phone and address are sealed by the user's data key."""

    __tablename__ = "profiles"

    user_id: Mapped[UUID] = mapped_column(Uuid, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    sealed_phone: Mapped[Envelope] = mapped_column(Sealed)
    sealed_phone_e164: Mapped[Envelope | None] = mapped_column(Sealed)
    sealed_shipping_address: Mapped[Envelope] = mapped_column(Sealed)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, SmallInteger, String, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from user_service.database import Base, Sealed, UtcDateTime
from user_service.security.vault import Envelope


class PaymentInfo(Base):
    """A payment provider's token, sealed by the user's data key, and what describes it to its owner."""

    __tablename__ = "payment_infos"

    user_id: Mapped[UUID] = mapped_column(Uuid, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    sealed_payment_token: Mapped[Envelope] = mapped_column(Sealed)
    provider: Mapped[str | None] = mapped_column(String(64))
    brand: Mapped[str | None] = mapped_column(String(64))
    last4: Mapped[str | None] = mapped_column(String(4))
    exp_month: Mapped[int | None] = mapped_column(SmallInteger)
    exp_year: Mapped[int | None] = mapped_column(SmallInteger)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)

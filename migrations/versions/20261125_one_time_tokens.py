"""one-time tokens"""

import sqlalchemy as sa
from alembic import op

revision = "20261125_one_time"
down_revision = "20261125_mail"


def upgrade() -> None:
    op.create_table(
        "one_time_tokens",
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("purpose", sa.String(length=32), nullable=False),
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("bound_to", sa.LargeBinary(length=32), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_one_time_tokens_user_id_users", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("digest", name="pk_one_time_tokens"),
    )
    op.create_index("ix_one_time_tokens_user_id", "one_time_tokens", ["user_id"])
    op.create_index("ix_one_time_tokens_expires_at", "one_time_tokens", ["expires_at"])
    op.add_column("users", sa.Column("pending_email", sa.String(length=254), nullable=True))
    op.add_column("users", sa.Column("verify_by", sa.DateTime(timezone=True), nullable=True))
    op.add_column("sessions", sa.Column("refreshed_from", sa.String(length=45), nullable=True))


def downgrade() -> None:
    op.drop_column("sessions", "refreshed_from")
    op.drop_column("users", "verify_by")
    op.drop_column("users", "pending_email")
    op.drop_table("one_time_tokens")

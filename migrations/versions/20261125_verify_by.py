"""index of users by when they have to be verified"""

from alembic import op

revision = "20261125_verify_by"
down_revision = "20261125_one_time"


def upgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        op.create_index("ix_users_verify_by", "users", ["verify_by"])
        return
    with op.get_context().autocommit_block():
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS ix_users_verify_by")
        op.execute("CREATE INDEX CONCURRENTLY ix_users_verify_by ON users (verify_by)")


def downgrade() -> None:
    op.drop_index("ix_users_verify_by", "users")

"""Data keys: one for each user, made with the account."""

from uuid import UUID

from sqlalchemy import delete, select

from user_service import clock
from user_service.database import new_id, retried, transaction
from user_service.errors import TokenRevoked
from user_service.keys.models import SealedDataKey
from user_service.runtime import runtime
from user_service.security.vault import DataKey, IntegrityFailure


@retried
def create_data_key(user_id: UUID) -> DataKey:
    """Add the user's data key to the open transaction."""
    key_id = new_id()
    data_key, master_key_id, wrapped = runtime().key_ring.master_keys.new_data_key(key_id, user_id)
    with transaction() as session:
        session.add(
            SealedDataKey(
                user_id=user_id,
                key_id=key_id,
                master_key_id=master_key_id,
                wrapped_key=wrapped,
                created_at=clock.now(),
            )
        )
    return data_key


@retried
def find_data_key(user_id: UUID) -> DataKey | None:
    """The user's data key, read in the open transaction; None once it has been destroyed."""
    with transaction() as session:
        row = session.scalars(select(SealedDataKey).where(SealedDataKey.user_id == user_id)).one_or_none()
    if row is None:
        return None
    return open_data_key(user_id, row.key_id, row.master_key_id, row.wrapped_key)


def get_data_key(user_id: UUID) -> DataKey:
    """The same. Raises TokenRevoked where the account was deleted after the token was checked."""
    data_key = find_data_key(user_id)
    if data_key is None:
        raise TokenRevoked
    return data_key


@retried
def destroy_data_key(user_id: UUID) -> None:
    """Delete the user's data key in the open transaction: what it sealed cannot be opened again, here or anywhere."""
    with transaction() as session:
        session.execute(delete(SealedDataKey).where(SealedDataKey.user_id == user_id))


def open_data_key(user_id: UUID, key_id: UUID | None, master_key_id: str, wrapped_key: bytes) -> DataKey:
    """Raises MasterKeyMissing, and IntegrityFailure also where the data key is gone (`key_id` is None)."""
    if key_id is None:
        raise IntegrityFailure("the data key is gone")
    return runtime().key_ring.master_keys.open_data_key(key_id, master_key_id, wrapped_key, user_id)

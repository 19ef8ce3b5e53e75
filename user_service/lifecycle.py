"""Use cases that span features."""

from user_service.database import transaction
from user_service.payment import service as payment
from user_service.principal import Principal
from user_service.profile import service as profile


def delete_profile(*, principal: Principal, check: profile.Check) -> None:
    """Delete the profile and the payment information with it, or neither.

    Raises ProfileNotFound, and what `check` raises.
    """
    with transaction():
        profile.delete_profile(principal=principal, check=check)
        payment.discard_payment_info(principal=principal)

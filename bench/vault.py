"""What sealing costs: microseconds for each field, and its share of reading a profile.

    .venv/bin/python bench/vault.py

The read is measured in process on SQLite, without a socket, so the share is an upper bound.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.support.databases import SETTINGS, migrate  # noqa: E402  # after the path is set
from tests.support.people import PROFILE, Client, InProcess  # noqa: E402  # after the path is set
from user_service import create_app  # noqa: E402  # after the path is set
from user_service.security.vault import MasterKeys, binding  # noqa: E402  # after the path is set

ROUNDS = 500
FIELDS = {
    "phone": PROFILE["phone"],
    "phone_e164": "+16502530000",
    "shipping_address": str(PROFILE["shipping_address"]),
    "payment_token": "pm_1QdX2eLkdIwHu7ixt7hBaMtr",
}


def microseconds(action: Callable[[], object]) -> float:
    """The best of five runs: the least disturbed one."""
    runs = []
    for _ in range(5):
        started = time.perf_counter()
        for _ in range(ROUNDS):
            action()
        runs.append((time.perf_counter() - started) / ROUNDS * 1e6)
    return min(runs)


def main() -> None:
    user_id, key_id = uuid4(), uuid4()
    master = MasterKeys({"bench": bytes(range(32))})
    data_key, master_key_id, wrapped = master.new_data_key(key_id, user_id)
    unwrap = microseconds(lambda: master.open_data_key(key_id, master_key_id, wrapped, user_id))
    print(f"{'':18}{'seal µs':>10}{'open µs':>10}")
    print(f"{'data key':18}{microseconds(lambda: master.new_data_key(key_id, user_id)):10.1f}{unwrap:10.1f}")
    opened = unwrap
    for name, text in FIELDS.items():
        bound_to = binding("bench", name, user_id)
        envelope = data_key.seal(text, bound_to)
        seal = microseconds(lambda text=text, bound_to=bound_to: data_key.seal(text, bound_to))
        read = microseconds(lambda envelope=envelope, bound_to=bound_to: data_key.open(envelope, bound_to))
        opened += read if name != "payment_token" else 0
        print(f"{name:18}{seal:10.1f}{read:10.1f}")
    request = _read_profile()
    print(f"\nGET /profile/me: {request:.0f} µs, of which opening the seals {opened:.1f} µs: {opened / request:.1%}")


def _read_profile() -> float:
    with tempfile.TemporaryDirectory() as directory:
        url = f"sqlite:///{directory}/bench.sqlite3"
        migrate(url)
        person = Client(InProcess(create_app(replace(SETTINGS, database_url=url)))).join()
        person.post("/profile", PROFILE)
        test_client = person.transport.app.test_client()
        headers = {"Authorization": f"Bearer {person.access_token}"}
        return microseconds(lambda: test_client.get("/profile/me", headers=headers))


if __name__ == "__main__":
    main()

"""The user agent in words that a person recognises."""

import pytest

from user_service.auth.devices import UNKNOWN, device_of

MOZILLA = "Mozilla/5.0"
SAFARI = "AppleWebKit/605.1.15 (KHTML, like Gecko)"


@pytest.mark.parametrize(
    ("user_agent", "device"),
    [
        (f"{MOZILLA} (X11; Linux x86_64; rv:147.0) Gecko/20100101 Firefox/147.0", "Firefox on Linux"),
        (f"{MOZILLA} (Windows NT 10.0; Win64) {SAFARI} Chrome/143.0 Safari/537.36", "Chrome on Windows"),
        (f"{MOZILLA} (Windows NT 10.0; Win64) {SAFARI} Chrome/143.0 Safari/537.36 Edg/143.0", "Edge on Windows"),
        (f"{MOZILLA} (Macintosh; Intel Mac OS X 15_1) {SAFARI} Version/19.0 Safari/605.1.15", "Safari on Mac"),
        (f"{MOZILLA} (iPhone; CPU iPhone OS 19_0 like Mac OS X) {SAFARI} CriOS/143.0 Safari/604.1", "Chrome on iPhone"),
        (f"{MOZILLA} (Linux; Android 16; Pixel 9) {SAFARI} Chrome/143.0 Mobile Safari/537.36", "Chrome on Android"),
        (f"{MOZILLA} (X11; CrOS x86_64) {SAFARI} Chrome/143.0 Safari/537.36 OPR/120.0", "Opera on ChromeOS"),
        ("curl/8.5.0", "curl"),
        ("okhttp/5.0", "okhttp"),
        ("Shop/3.2 (iPhone; iOS 19.0)", "Shop"),
        (f"{MOZILLA} (Linux)", "Linux"),
        (MOZILLA, UNKNOWN),
        ("Firefox/147.0", "Firefox"),
        ("", UNKNOWN),
        (None, UNKNOWN),
        ("x" * 256, "x" * 40),
    ],
)
def test_a_device_is_named_in_words(user_agent: str | None, device: str) -> None:
    assert device_of(user_agent) == device

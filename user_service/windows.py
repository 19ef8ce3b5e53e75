"""Moving windows: of one process, or shared by all nodes in Redis.

A window holds the times of the knocks that were let through; one that is refused leaves no trace, so who waits as
long as he is told gets in.
"""

import math
import threading
import time
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

import redis
import structlog
from redis.backoff import NoBackoff
from redis.retry import Retry

from user_service.doors import Rate

# A request waits for a connection once at most and asks twice at most: 0.28 s together.
CONNECT_SECONDS = 0.12  # look-up of the name, connection, TLS and greeting, all in all
ANSWER_SECONDS = 0.08
PROBE_SECONDS = 1.0  # between two attempts to get Redis back
THREADS = 32  # as many as a worker has requests at a time
MAX_WINDOWS = 100_000
PREFIX = "limit:"
# What a URL may ask for. Waits and retries are the service's own, and most of what redis-py takes besides is no text.
OPTIONS = {
    *("client_name", "db", "health_check_interval", "max_connections", "password", "protocol", "socket_keepalive"),
    *("ssl_ca_certs", "ssl_ca_path", "ssl_cert_reqs", "ssl_certfile", "ssl_check_hostname", "ssl_keyfile"),
    *("ssl_min_version", "ssl_password", "username"),
}

# One round trip for all limits of a request, by the clock of Redis: the clocks of the nodes need not agree.
SCRIPT = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local answer = {}
for i, key in ipairs(KEYS) do
    local amount, length = tonumber(ARGV[2 * i - 1]), ARGV[2 * i] * 1000000
    local oldest = redis.call('LINDEX', key, -1)
    while oldest and oldest + length <= now do
        redis.call('RPOP', key)
        oldest = redis.call('LINDEX', key, -1)
    end
    local count = redis.call('LLEN', key)
    if count < amount then
        redis.call('LPUSH', key, string.format('%.0f', now))
        redis.call('PEXPIRE', key, length / 1000)
        answer[i] = {1, amount - count - 1, (oldest or now) + length - now}
    else
        answer[i] = {0, 0, redis.call('LINDEX', key, amount - 1) + length - now}
        break
    end
end
return answer
"""

log = structlog.get_logger("limits")


def check_redis_url(url: str) -> None:
    """Raises ValueError with a message for the operator. Nobody is connected to."""
    if not OPTIONS.issuperset(parse_qs(url.partition("?")[2])):
        raise ValueError(f"after the question mark it may say {', '.join(sorted(OPTIONS))}")
    try:
        parts = urlsplit(url)
        is_readable = "\0" not in unquote(url) and not parts.netloc.endswith(":")
        is_complete = is_readable and (parts.scheme != "unix" or bool(parts.path))
        (parts.hostname or "").encode("idna")
        redis.ConnectionPool.from_url(url).make_connection()
    except (redis.RedisError, ValueError, TypeError):  # such as a port that is no number, or TLS for a plain connection
        is_complete = False
    if not is_complete:
        raise ValueError("it must read redis://user:password@host:6379/0, rediss://… or unix:///path")


class NoConnectionYet(Exception):
    """None was open, and none could be opened in time."""


class Window(NamedTuple):
    """What a knock found: whether it is let through, how many more may come, the seconds until there is one more."""

    is_allowed: bool
    remaining: int
    seconds: float


class Windows:
    """The windows of one process. Thread-safe."""

    def __init__(self, *, now: Callable[[], float] = time.monotonic, maximum: int = MAX_WINDOWS) -> None:
        self._now = now
        self._maximum = maximum
        self._windows: dict[str, list[float]] = {}  # until when each knock counts, oldest first
        self._sweep_at = 1000
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._windows)

    def knock(self, key: str, rate: Rate) -> Window:
        with self._lock:
            now = self._now()
            window = self._windows.setdefault(key, [])
            del window[: bisect_right(window, now)]
            is_allowed = len(window) < rate.amount
            if is_allowed:
                window.append(now + rate.seconds)
            if len(self._windows) >= self._sweep_at:
                self._sweep(now)
            free_at = window[max(0, len(window) - rate.amount)]
            return Window(is_allowed, max(0, rate.amount - len(window)), free_at - now)

    def _sweep(self, now: float) -> None:
        """Forget what is over. Where that is not enough, the oldest half goes: memory is not for an attacker to fill.

        It is done each time the number has doubled, so a knock costs the same however many there are.
        """
        self._windows = {key: window for key, window in self._windows.items() if window[-1] > now}
        if len(self._windows) >= self._maximum:
            self._windows = dict(list(self._windows.items())[self._maximum // 2 :])
        self._sweep_at = min(self._maximum, max(1000, 2 * len(self._windows)))


class SharedWindows:
    """The windows in Redis. After a failure nobody asks, and nobody waits, until a probe finds it well again.

    Connections are opened in threads of their own, because nothing else ends a look-up of a name in time. Answers are
    awaited at the socket, where a process that is only busy itself is not taken for a slow Redis.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._idle: deque[redis.Redis] = deque()
        self._threads = ThreadPoolExecutor(THREADS, "limits")
        self._lock = threading.Lock()
        self._answered_at = -math.inf
        self._is_away = False
        self._probe_at = 0.0

    def knock(self, knocks: Sequence[tuple[str, Rate]]) -> list[Window] | None:
        """What each knock got, up to the first that was refused; None where Redis does not say."""
        if self._is_away:
            self._look_after_it()
            return None
        try:
            return self._ask(knocks)
        except NoConnectionYet as error:
            if time.monotonic() - self._answered_at > PROBE_SECONDS:  # nobody else gets an answer either
                self._note_failure(error)
        except (redis.RedisError, OSError) as error:
            self._note_failure(error)
        return None

    def _ask(self, knocks: Sequence[tuple[str, Rate]]) -> list[Window]:
        try:
            line = self._idle.pop()
        except IndexError:
            return self._ask_on(self._open_in_time(), knocks)
        try:
            return self._ask_on(line, knocks)
        except redis.ConnectionError:  # it was closed while it lay idle; so were the others, probably
            self._idle.clear()
            return self._ask_on(self._open_in_time(), knocks)

    def _ask_on(self, line: redis.Redis, knocks: Sequence[tuple[str, Rate]]) -> list[Window]:
        """One round trip. A line that fails is not used again."""
        keys = [PREFIX + key for key, _ in knocks]
        rates = [str(number) for _, rate in knocks for number in (rate.amount, rate.seconds)]
        answer: Any = line.eval(SCRIPT, len(keys), *keys, *rates)
        self._answered_at = time.monotonic()
        self._idle.append(line)
        return [Window(bool(allowed), remaining, microseconds / 1e6) for allowed, remaining, microseconds in answer]

    def _open(self) -> redis.Redis:
        return redis.Redis.from_url(
            self._url,
            single_connection_client=True,
            socket_connect_timeout=ANSWER_SECONDS,
            socket_timeout=ANSWER_SECONDS,
            retry=Retry(NoBackoff(), 0),
        )

    def _open_in_time(self) -> redis.Redis:
        """Raises NoConnectionYet; a connection that comes later is for those who come later."""
        opening = self._threads.submit(self._open)
        if wait([opening], CONNECT_SECONDS).not_done:
            opening.add_done_callback(self._keep)
            raise NoConnectionYet
        return opening.result()

    def _keep(self, opening: Future[redis.Redis]) -> None:
        if opening.exception() is None:
            self._idle.append(opening.result())

    def _note_failure(self, error: Exception) -> None:
        with self._lock:
            self._probe_at = time.monotonic() + PROBE_SECONDS
            was_away, self._is_away = self._is_away, True
        self._idle.clear()
        if not was_away:
            log.warning("limits.redis_away", error=type(error).__name__)

    def _look_after_it(self) -> None:
        with self._lock:
            is_due = time.monotonic() >= self._probe_at
            if is_due:
                self._probe_at = time.monotonic() + PROBE_SECONDS
        if is_due:
            self._threads.submit(self._probe)

    def _probe(self) -> None:
        """A knock as any other: a Redis that answers a PING may yet take no writes."""
        try:
            self._ask_on(self._open(), [("probe", Rate(1, 1))])
        except (redis.RedisError, OSError):
            return
        self._is_away = False
        log.info("limits.redis_back")

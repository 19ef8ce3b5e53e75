"""The scenarios: what is sent, to whom, and how one turn of it is measured."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import bcrypt

from bench import load, machine
from bench.contestants import HELLO, NAIVE, SERVICE, Contestant
from bench.load import Load, Measured

WARM_UP_SECONDS = 1
SETTLE_SECONDS = 0.3

READ = Load("read", connections=8)
NOTHING = Load("hello", connections=8)
LOG_IN = Load("login", connections=8)
FLOOD = Load("flood", connections=64)


@dataclass(frozen=True)
class Turn:
    """One contestant's turn. CPU in seconds; memory in megabytes, None where it was not looked at."""

    measured: Measured
    server_cpu: float
    database_cpu: float
    memory: float


@dataclass(frozen=True)
class Scenario:
    """`only` names who takes part. `pinned`: one core for the server, the others for wrk and the database.

    `longer` stretches each turn: what is still under way at its end is not counted, and a hash takes long.
    """

    name: str
    load: Load
    only: tuple[str, ...] = (SERVICE,)
    pinned: bool = False
    flooded: bool = False
    longer: int = 1

    def load_of(self, contestant: Contestant) -> Load:
        chosen = NOTHING if contestant.name == HELLO else self.load
        return replace(chosen, variables=contestant.variables())


SCENARIOS: tuple[Scenario, ...] = (
    Scenario("read me", READ, only=(HELLO, SERVICE, NAIVE), pinned=True),
    Scenario("refresh", Load("refresh", connections=8, chained=True), pinned=True),
    Scenario("update me", Load("update", connections=8), pinned=True),
    Scenario("log-in", LOG_IN, longer=4),
    Scenario("register", Load("register", connections=8, chained=True)),
    Scenario("mix 80/10/5/5", Load("mix", connections=8, chained=True)),
    Scenario("reads, quiet", READ),
    Scenario("reads in a flood", READ, flooded=True),
)


@dataclass
class Result:
    """All turns of one contestant in one scenario."""

    scenario: str
    contestant: Contestant
    turns: list[Turn] = field(default_factory=list)


def run(
    scenario: Scenario,
    contestants: Sequence[Contestant],
    *,
    turns: int,
    seconds: float,
    tell: Callable[[str], None],
) -> list[Result]:
    """Everybody's turn, and again: A B A B, so that what drifts drifts for all."""
    results = [Result(scenario.name, contestant) for contestant in contestants if contestant.name in scenario.only]
    for turn in range(turns):
        for result in results:
            tell(f"{scenario.name}: {result.contestant.label}, turn {turn + 1} of {turns}")
            client_cores = _pin(result.contestant, scenario.pinned)
            if turn == 0:
                _drive(scenario, result.contestant, WARM_UP_SECONDS, client_cores)
            result.turns.append(_take_turn(scenario, result.contestant, seconds * scenario.longer, client_cores))
    return results


def _take_turn(scenario: Scenario, contestant: Contestant, seconds: float, cores: set[int]) -> Turn:
    if not scenario.flooded:
        return _drive(scenario, contestant, seconds, cores)
    variables = contestant.variables()
    flood = load.start(replace(FLOOD, variables=variables), contestant.url, seconds + 2, cores)
    time.sleep(1)
    turn = _drive(scenario, contestant, seconds, cores)
    load.finish(flood)  # what is turned away there is turned away on purpose
    return turn


def _drive(scenario: Scenario, contestant: Contestant, seconds: float, cores: set[int]) -> Turn:
    prepared = scenario.load_of(contestant)
    time.sleep(SETTLE_SECONDS)
    server, database = _cpu(contestant)
    measured = load.finish(load.start(prepared, contestant.url, seconds, cores))
    server_after, database_after = _cpu(contestant)
    memory = machine.memory_megabytes(contestant.pid)
    return Turn(measured, server_after - server, database_after - database, memory)


def _cpu(contestant: Contestant) -> tuple[float, float]:
    database = contestant.database_pid
    return machine.cpu_seconds(contestant.pid), machine.cpu_seconds(database) if database else 0.0


def _pin(contestant: Contestant, pinned: bool) -> set[int]:
    """Give the server its core, or all of them; returns the cores of wrk."""
    every = set(machine.cores())
    is_split = pinned and len(every) > 1
    first = {min(every)}
    machine.pin(machine.family(contestant.pid), first if is_split else every)
    if contestant.database_pid:
        machine.pin(machine.family(contestant.database_pid), every - first if is_split else every)
    return every - first if is_split else every


def bcrypt_limit(rounds: int, seconds: float) -> float:
    """How many hashes a second this machine makes when it does nothing else."""
    hashed = bcrypt.hashpw(b"password", bcrypt.gensalt(rounds))
    deadline = time.monotonic() + seconds

    def work(_: int) -> int:
        count = 0
        while time.monotonic() < deadline:
            bcrypt.checkpw(b"password", hashed)
            count += 1
        return count

    started = time.monotonic()
    with ThreadPoolExecutor(len(machine.cores())) as pool:
        count = sum(pool.map(work, machine.cores()))
    return count / (time.monotonic() - started)

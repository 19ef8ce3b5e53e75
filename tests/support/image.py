"""A Dockerfile carried out without an engine, and what it starts as the engine would start it.

Every step runs in a root of its own: what it writes lies in a layer over this machine's files (overlayfs), which
stand in for the base image and stay as they are. It knows what deploy/Dockerfile uses, each on one line.
"""

import json
import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

CLEAN = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"}
STEP_SECONDS = 600
TOOLS = ("unshare", "nsenter", "setpriv")


def require_mounts() -> None:
    """Without root and its mounts the test is left out loudly; in CI that is a failure."""
    programs = [shutil.which(name) for name in TOOLS]
    if not all(programs) or subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode:
        message = "deploy/Dockerfile was not carried out: it takes root, who may mount, and util-linux"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)  # not installed


@dataclass
class Image:
    """One stage: its layer, and what the engine would remember about it."""

    scratch: Path
    environment: dict[str, str] = field(default_factory=lambda: dict(CLEAN))
    directory: str = "/"
    user: str = "0"
    command: list[str] = field(default_factory=list)
    health_check: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        for part in ("layer", "work", "root"):
            (self.scratch / part).mkdir(parents=True)

    @property
    def layer(self) -> Path:
        """What the steps have written."""
        return self.scratch / "layer"

    def script(self, *mounts: str, command: str) -> list[str]:
        """A command line that mounts the root for itself alone, and more inside of it, and runs `command` there."""
        layers = f"lowerdir=/,upperdir={self.layer},workdir={self.scratch / 'work'}"
        lines = [f"cd {shlex.quote(str(self.scratch))}", f"mount -t overlay overlay -o {layers} root", *mounts]
        return ["unshare", "--mount", "sh", "-ec", "\n".join([*lines, f"exec /usr/sbin/chroot root {command}"])]

    def run(self, line: str) -> None:
        """RUN: as root, with this machine's settings of pip, for it may have a registry of its own."""
        pip = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
        command = self.script(command=shlex.join(["sh", "-ec", f"cd {self.directory}; {line}"]))
        done = subprocess.run(
            command, env=pip | self.environment, capture_output=True, text=True, check=False, timeout=STEP_SECONDS
        )
        assert done.returncode == 0, f"{line}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"

    def copy(self, source_root: Path, sources: list[str], target: str) -> None:
        """COPY: a directory's content, or files into a directory, as the reference of the Dockerfile has it."""
        place = self.layer / target.lstrip("/")
        for source in sources:
            origin = source_root / source.lstrip("/")
            if origin.is_dir():
                ignored = shutil.ignore_patterns("__pycache__")
                shutil.copytree(origin, place, symlinks=True, dirs_exist_ok=True, ignore=ignored)
            else:
                goal = place / origin.name if target.endswith("/") else place
                goal.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(origin, goal)

    def powerless(self, command: list[str]) -> str:
        """The command as the image's user, in the image's directory, with no right and no way to one."""
        entries = [line.split(":") for line in (self.layer / "etc" / "passwd").read_text().splitlines()]
        [group] = [entry[3] for entry in entries if entry[2] == self.user]
        caged = ["setpriv", f"--reuid={self.user}", f"--regid={group}", "--clear-groups", "--no-new-privs"]
        return shlex.join([*caged, "--bounding-set=-all", "env", f"--chdir={self.directory}", *command])

    def container(self, command: list[str], secrets: Path) -> list[str]:
        """The command line that starts `command` as compose.yaml does: nothing can be written but /tmp, in memory."""
        mounts = (
            "mount -t tmpfs tmpfs root/tmp",
            "mount -t proc proc root/proc",
            "mount -t tmpfs tmpfs root/dev && touch root/dev/null && mount --bind /dev/null root/dev/null",
            "mount -o remount,ro root/dev",
            f"mount --bind {shlex.quote(str(secrets))} root/run/secrets && mount -o remount,ro,bind root/run/secrets",
            "mount -o remount,ro,bind root",
        )
        return self.script(*mounts, command=self.powerless(command))


def build(dockerfile: Path, context: Path, scratch: Path) -> Image:
    """Carry out every instruction; an unknown one is an error. The last stage is the image."""
    stages: dict[str, Image] = {}
    image = Image(scratch / "none")
    for instruction, rest in _instructions(dockerfile):
        words = rest.split()
        if instruction == "FROM":
            image = Image(scratch / f"stage-{len(stages)}")
            stages[words[-1]] = image
        elif instruction == "COPY" and words[0].startswith("--from="):
            image.copy(stages[words[0].partition("=")[2]].layer, words[1:-1], words[-1])
        elif instruction == "COPY":
            image.copy(context, words[:-1], words[-1])
        else:
            _note(image, instruction, rest)
    (image.layer / "run" / "secrets").mkdir(parents=True)
    return image


def _note(image: Image, instruction: str, rest: str) -> None:
    match instruction:
        case "RUN":
            image.run(rest)
        case "ENV":
            name, _, value = rest.partition("=")
            image.environment[name] = value
        case "WORKDIR":
            image.directory = rest
        case "USER":
            image.user = rest
        case "CMD":
            image.command = json.loads(rest)
        case "HEALTHCHECK":
            image.health_check = json.loads(rest.partition(" CMD ")[2])
        case _:
            assert instruction in ("EXPOSE", "STOPSIGNAL"), instruction  # they only tell


def _instructions(dockerfile: Path) -> Iterator[tuple[str, str]]:
    for line in dockerfile.read_text().splitlines():
        if line and not line.startswith("#"):
            instruction, _, rest = line.partition(" ")
            yield instruction, rest


@dataclass
class Container:
    image: Image
    process: subprocess.Popen[bytes]
    environment: dict[str, str]

    def run(self, command: list[str]) -> int:
        """The exit code of one more process in it, as of the engine's `exec`."""
        inside = ["nsenter", f"--target={self.process.pid}", "--mount", "--root", "sh", "-c"]
        command = [*inside, self.image.powerless(command)]
        return subprocess.run(command, env=self.environment, capture_output=True, check=False, timeout=60).returncode


@contextmanager
def started(image: Image, secrets: Path, log: Path, **variables: str) -> Iterator[Container]:
    """The image's own command, which must end well when it is asked to."""
    environment = image.environment | variables
    with log.open("wb") as output:
        process = subprocess.Popen(
            image.container(image.command, secrets),
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            process_group=0,
        )
    try:
        yield Container(image, process, environment)
        process.terminate()
        assert process.wait(60) == 0, log.read_text()
    finally:
        if process.poll() is None:
            os.killpg(process.pid, 9)
            process.wait(60)

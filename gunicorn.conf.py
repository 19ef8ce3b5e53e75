"""Serving defaults. gunicorn reads this file by itself; the settings come from the environment (config.py)."""

import json
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from types import SimpleNamespace

from user_service import logs
from user_service.serving import PREFIX, Logger, Worker, metrics_directory

# A worker must load the code that lies on disk when it starts, not what this process read at its own start: else SIGHUP
# would mix two releases. So the settings, and the libraries that they take, are read in a process of their own ...
_here = Path(__file__).resolve().parent
_asked = subprocess.run(  # noqa: S603  # our own words
    [sys.executable, _here / "config.py"],
    env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (str(_here), os.environ.get("PYTHONPATH"))))},
    stdout=subprocess.PIPE,
    check=False,
)
if _asked.returncode > 0:
    sys.exit(_asked.returncode)  # it has said why
if _asked.returncode < 0:
    sys.exit(f"Reading the configuration was ended by signal {-_asked.returncode}.")
_settings = SimpleNamespace(**json.loads(_asked.stdout.splitlines()[-1]))


def _forget_the_service():
    """... and what was read here of the service is forgotten."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "user_service"]:
        del sys.modules[name]


_forget_the_service()

# All workers count into one directory, which lives as long as this master.
_METRICS = "PROMETHEUS_MULTIPROC_DIR"
if not Path(os.environ.get(_METRICS, "")).name.startswith(f"{PREFIX}{os.getpid()}-"):
    os.environ[_METRICS] = metrics_directory()

wsgi_app = "wsgi:app"
bind = f"[{_settings.bind}]:{_settings.port}" if ":" in _settings.bind else f"{_settings.bind}:{_settings.port}"
workers = _settings.web_concurrency
# They outnumber the log-ins that can wait here (security/hashing.py: 24, auth/throttle.py: 24), so reads go on.
worker_class = Worker
threads = 64
# Whatever else is installed: the tests of framing (tests/web/test_framing.py) speak for this one.
http_parser = "python"
timeout = 30
graceful_timeout = 20
keepalive = 5
max_requests = 0
# Each worker opens its own connections: none is made before the fork.
preload_app = False
control_socket_disable = True
forwarded_allow_ips = ""
accesslog = None
logger_class = Logger
logconfig_dict = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"service": {"()": logs.formatter, "is_development": _settings.is_development}},
    "filters": {"unquoted": {"()": logs.WithoutQuotes}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "service", "filters": ["unquoted"]}},
    "root": {"level": _settings.log_level, "handlers": ["stderr"]},
    "loggers": {"gunicorn.error": {"level": "INFO", "handlers": ["stderr"], "propagate": False}},
}


def when_ready(_server):
    if _settings.is_development:
        print(f"\n  User Service   {_settings.public_url}\n  API docs       {_settings.public_url}/docs", flush=True)
        print(f"  Mail           {_settings.public_url}/development/mail\n", flush=True)


def post_worker_init(worker):
    from user_service.startup import check_in_background, deliver_mail_in_background
    from user_service.web.telemetry import sample_for_ever
    from wsgi import app

    sample_for_ever(app)
    check_in_background(app, turn=(worker.age - 1) % workers)
    if _settings.is_development:
        deliver_mail_in_background(app)


def worker_exit(_server, _worker):
    from user_service import background
    from user_service.extensions import db
    from wsgi import app

    background.stop()
    with app.app_context():
        for engine in db.engines.values():
            engine.dispose()


@cache
def _bury():
    """Loaded when the first worker ends, and once: what counts registers itself."""
    from user_service import metrics

    _forget_the_service()
    return metrics.bury


def child_exit(_server, worker):
    _bury()(worker.pid)


def on_exit(_server):
    shutil.rmtree(os.environ[_METRICS], ignore_errors=True)

"""The service's own gunicorn settings, for the applications that it is compared with.

Read from `gunicorn.conf.py`, so that they cannot drift apart. What the service adds to gunicorn (its worker and
logger) is its own, so the others run on gunicorn as it comes.
"""

import runpy
from pathlib import Path

_settings = runpy.run_path(str(Path(__file__).resolve().parent.parent / "gunicorn.conf.py"))
SHARED = (
    *("bind", "workers", "threads", "timeout", "graceful_timeout", "keepalive", "max_requests"),
    *("preload_app", "control_socket_disable", "accesslog", "http_parser"),
)
worker_class = "gthread"
globals().update({name: _settings[name] for name in SHARED if name in _settings})

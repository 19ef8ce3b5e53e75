"""The service's own gunicorn settings, for the applications that it is compared with.

Read from `gunicorn.conf.py`, so that they cannot drift apart; what belongs to the service alone is left out.
"""

import runpy
from pathlib import Path

_settings = runpy.run_path(str(Path(__file__).resolve().parent.parent / "gunicorn.conf.py"))
SHARED = (
    *("bind", "workers", "worker_class", "threads", "timeout", "graceful_timeout", "keepalive", "max_requests"),
    *("preload_app", "control_socket_disable", "accesslog", "logconfig_dict"),
)
globals().update({name: _settings[name] for name in SHARED if name in _settings})

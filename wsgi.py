"""What gunicorn and the flask command load."""

import sys

from config import ConfigurationError, load
from user_service import create_app

try:
    app = create_app(load(), with_commands="gunicorn.arbiter" not in sys.modules)
except ConfigurationError as error:
    if "doctor" not in sys.argv:
        sys.exit(str(error))
    from user_service.commands.doctor import create_patient

    app = create_patient(error.faults)

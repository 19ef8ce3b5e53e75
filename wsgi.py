"""What gunicorn and the flask command load."""

import sys

from config import ConfigurationError, load
from user_service import create_app

try:
    app = create_app(load())
except ConfigurationError as error:
    sys.exit(str(error))

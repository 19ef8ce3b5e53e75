"""Serves the shop: python3 examples/shop/serve.py --service http://127.0.0.1:8000 --port 8080

The service has to allow the shop's origin: CORS_ORIGINS=http://127.0.0.1:8080
"""

import argparse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
}
DEFAULT_SERVICE = "http://127.0.0.1:8000"
FILES = {"/": "index.html", **{f"/{name}": name for name in ("shop.css", "shop.js", "session.js")}}


def handler(service: str) -> type[BaseHTTPRequestHandler]:
    """Answers the files of this folder; the page may speak to the service and to nobody else."""
    policy = (
        f"default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src {service};"
        " form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
    )

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = FILES.get(self.path.partition("?")[0])
            if name is None:
                self.send_error(404)
                return
            content = (FOLDER / name).read_text().replace(DEFAULT_SERVICE, service).encode()
            self.send_response(200)
            self.send_header("Content-Type", TYPES[Path(name).suffix])
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Content-Security-Policy", policy)
            self.send_header("X-Content-Type-Options", "nosniff")
            self.send_header("Referrer-Policy", "no-referrer")
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--service", default=DEFAULT_SERVICE, help="where User Service is")
    parser.add_argument("--port", type=int, default=8080)
    arguments = parser.parse_args()
    with ThreadingHTTPServer(("127.0.0.1", arguments.port), handler(arguments.service)) as server:
        print(f"The shop is open: http://127.0.0.1:{server.server_port}", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()

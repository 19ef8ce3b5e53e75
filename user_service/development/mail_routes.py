"""The mails of development, as they would have been sent: `/development/mail`."""

from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path
from typing import Any

from flask import Blueprint, Response
from jinja2 import Environment

from user_service.mail import transports

NEWEST = 100
PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Mail of development</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/links/links.css">
</head>
<body>
<main>
<h1>Mail that would have been sent</h1>
<p>{{ "Newest first. Reload to see more." if mails else "None yet. Register somebody, wait a second and reload." }}</p>
</main>
{% for mail in mails %}
<main>
<h1>{{ mail.subject }}</h1>
<p>To: {{ mail.to }}<br>{{ mail.date }}</p>
{% for line in mail.lines %}
<p>{% if line.startswith("http") %}<a href="{{ line }}">{{ line }}</a>{% else %}{{ line }}{% endif %}</p>
{% endfor %}
</main>
{% endfor %}
</body>
</html>
"""

pages = Blueprint("development_mail", __name__)
_page = Environment(autoescape=True, trim_blocks=True).from_string(PAGE)


@pages.get("/development/mail")
def list_mails() -> Response:
    mails = [_shown(path) for path in _newest_files()]
    response = Response(_page.render(mails=mails), mimetype="text/html")
    response.headers["Content-Security-Policy"] = (
        "default-src 'none'; style-src 'self'; img-src data:; frame-ancestors 'none'; base-uri 'none';"
        " form-action 'none'"
    )
    return response


def _newest_files() -> list[Path]:
    files = sorted(transports.MAILBOX.glob("*.eml"), key=lambda path: path.stat().st_mtime, reverse=True)
    return files[:NEWEST]


def _shown(path: Path) -> dict[str, Any]:
    mail = BytesParser(EmailMessage, policy=policy.SMTPUTF8).parsebytes(path.read_bytes())
    body = mail.get_body(("plain",))
    text = body.get_content().replace("\r\n", "\n") if body is not None else ""
    return {"subject": mail["Subject"], "to": mail["To"], "date": mail["Date"], "lines": text.split("\n\n")}

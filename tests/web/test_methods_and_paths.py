"""What another method, another spelling of a path, or a query string can do: nothing.

SECURITY 50 (credentials in a query), 97 (whose data it is), 99 (the list of users), 130 (404 and 405),
139 (methods), 145 (files and consoles).
"""

import re
from collections.abc import Callable
from itertools import product

import pytest
from flask import Flask

from tests.support.hostile import BODILESS, ON_ONE_DATABASE, PLACES, REFRESH, Inspector
from tests.support.people import PAYMENT, PROFILE, Answer, Client, InProcess

METHODS = "GET HEAD POST PUT PATCH DELETE OPTIONS TRACE TRACK CONNECT PROPFIND COPY LINK PURGE DEBUG GETS Foo".split
PATHS = sorted({place.path for place in PLACES} | {path for _, path in BODILESS})
OVERRIDES = (
    "X-HTTP-Method-Override",
    "X-HTTP-Method",
    "X-Method-Override",
    "X-Original-Method",
    "X-Forwarded-Method",
    "_method",
)


class AsWritten:
    """Requests whose path is handed over as it is, with no client to tidy it up."""

    def __init__(self, app: Flask) -> None:
        self.app = app

    def send(self, method: str, path: str, *, headers: dict[str, str], data: bytes | None) -> Answer:
        written, _, query = path.partition("?")
        environ = {"PATH_INFO": written.encode().decode("latin-1"), "QUERY_STRING": query}
        response = self.app.test_client().open(
            "/", method=method, headers=headers, data=data, environ_overrides=environ
        )
        return Answer(response.status_code, response.headers, response.get_data())


def allowed_methods(app: Flask, path: str) -> set[str]:
    adapter = app.url_map.bind("users.test")
    return set(adapter.allowed_methods(path))


@ON_ONE_DATABASE
def test_a_method_that_a_path_does_not_know_is_405_and_the_others_are_listed(app: Flask, person: Client) -> None:
    inspector = Inspector(person)
    for path, method in product(PATHS, METHODS()):
        allowed = allowed_methods(app, path)
        if method in allowed:
            continue
        answer = inspector.send(method, path, {}, expect=405 if allowed else 404)
        listed = set(answer.headers.get("Allow", "").split(", ")) - {""}
        inspector.check(listed == allowed, f"{method} {path}: Allow is {listed}")
    assert not inspector.failures, inspector.report()


@ON_ONE_DATABASE
def test_options_lists_the_methods_and_does_nothing(app: Flask, person: Client) -> None:
    person.post("/profile", PROFILE)
    inspector = Inspector(person)
    for path in PATHS:
        allowed = allowed_methods(app, path)
        answer = inspector.send("OPTIONS", path, PROFILE, expect=200 if allowed else 404)
        if allowed:
            inspector.check(set(answer.headers["Allow"].split(", ")) == allowed, f"{path}: {answer.headers['Allow']}")
            inspector.check(answer.body == b"", f"{path} says {answer.text}")
        inspector.check("Access-Control-Allow-Origin" not in answer.headers, f"{path} lets other origins in")
    assert not inspector.failures, inspector.report()


@ON_ONE_DATABASE
def test_head_answers_the_headers_of_get_without_a_body(person: Client) -> None:
    person.post("/profile", PROFILE)
    inspector = Inspector(person)
    for path in [path for method, path in BODILESS if method == "GET"]:
        got, head = inspector.send("GET", path), inspector.send("HEAD", path)
        inspector.check(head.body == b"", f"{path} has a body")
        inspector.check(head.status == got.status, f"{path}: {head.status} and {got.status}")
        for name in ("Content-Type", "ETag", "Cache-Control", "Allow"):
            inspector.check(head.headers.get(name) == got.headers.get(name), f"{path}: {name} differs")
    assert not inspector.failures, inspector.report()


@ON_ONE_DATABASE
def test_no_header_and_no_member_changes_the_method(person: Client) -> None:
    person.post("/profile", PROFILE)
    person.post("/profile/payment_info", PAYMENT)
    inspector = Inspector(person)
    before = [person.get(path).json for path in ("/profile/me", "/profile/payment_info", "/sessions")]
    for name, method in product(OVERRIDES, ("DELETE", "PUT", "delete")):
        headers = {name: method}
        for path in ("/profile", "/profile/payment_info", "/sessions"):
            inspector.send("POST", f"{path}?_method={method}&{name}={method}", headers=headers, expect=(400, 405))
            inspector.send("POST", path, {"_method": method}, headers=headers, expect=(405, 422))
        inspector.send("GET", "/profile/me", headers=headers, expect=200)
    assert not inspector.failures, inspector.report()
    assert [person.get(path).json for path in ("/profile/me", "/profile/payment_info", "/sessions")] == before


SPELLINGS_OF_USERS = [
    *("/users", "/users/", "//users", "/users//", "///users", "/./users", "/users/.", "/x/../users", "/docs/../users"),
    *("/USERS", "/Users", "/users.json", "/users;a=b", "/users%2f", "/users%00", "/users\x00", "/users\t", "/ users"),
    *("/users ", "/users%20", "/\\users", "/us\u200bers", "/ｕｓｅｒｓ", "/development/users", "/internal/../users"),
    *(
        "/%75sers",
        "/users/1",
        "/users/me",
        "/api/users",
        "/v1/users",
        "/admin/users",
        "users",
        "/users?env=development",
    ),
    *("/users?debug=1", "/users?APP_ENV=development", "/docs/%2e%2e/users", "/.well-known/../users"),
]
SWITCHES = (
    {},
    {"APP_ENV": "development"},
    {"X-App-Env": "development", "X-Debug": "1", "X-Forwarded-For": "127.0.0.1", "Host": "localhost"},
    {"Cookie": "app_env=development; APP_ENV=development; debug=1"},
    {"X-Original-URL": "/users", "X-Rewrite-URL": "/users"},
)


@ON_ONE_DATABASE
@pytest.mark.parametrize("app_env", ["testing", "production"])
def test_the_list_of_users_exists_in_development_alone(make_app: Callable[..., Flask], app_env: str) -> None:
    app = make_app(app_env=app_env)
    assert "/users" not in {rule.rule for rule in app.url_map.iter_rules()}
    assert not [path for path in app.test_client().get("/openapi.json").json["paths"] if "users" in path.split("/")[1]]
    person = Client(InProcess(app)).join()
    person.transport = AsWritten(app)
    inspector = Inspector(person)
    for path, headers in product(SPELLINGS_OF_USERS, SWITCHES):
        inspector.send("GET", path, headers=headers, expect=404)
    for path, method in product(SPELLINGS_OF_USERS, METHODS()):
        inspector.send(method, path, expect=404)
    assert not inspector.failures, inspector.report()


@ON_ONE_DATABASE
def test_in_development_the_list_shows_nothing_that_is_secret(make_app: Callable[..., Flask]) -> None:
    person = Client(InProcess(make_app(app_env="development"))).join()
    person.post("/profile", PROFILE)
    person.post("/profile/payment_info", PAYMENT)
    answer = Client(person.transport).get("/users")
    assert answer.status == 200
    (shown,) = answer.json["data"]
    assert set(shown) == {"id", "username", "email", "created_at"}
    assert (shown["username"], shown["email"]) == (person.username, person.email)


FILES_AND_CONSOLES = [
    *("/.git/config", "/.git/HEAD", "/.env", "/.env.production", "/.htaccess", "/config.py", "/wsgi.py", "/instance/"),
    *("/instance/master_keys", "/instance/user_service.sqlite3", "/user_service.sqlite3", "/requirements.txt"),
    *("/console", "/debug", "/_debug_toolbar/", "/?__debugger__=yes&cmd=resource&f=debugger.js", "/server-status"),
    *("/admin", "/phpinfo.php", "/actuator/env", "/static/", "/static/../config.py", "/docs/../config.py", "/docs/"),
    *("/docs/%2e%2e/config.py", "/docs/..%2f..%2fconfig.py", "/docs/....//config.py", "/docs//etc/passwd"),
    *("/docs/../../../../../../../../etc/passwd", "/docs/index.html", "/docs/swagger-ui.css/", "/docs/__init__.py"),
    *("/errors/../config.py", "/errors/..", "/backup.sql", "/dump.sql.gz", "/.well-known/security.txt/..", "/~root"),
]


@ON_ONE_DATABASE
def test_no_file_and_no_console_is_reachable(app: Flask) -> None:
    inspector = Inspector(Client(AsWritten(app)))
    for path in FILES_AND_CONSOLES:
        inspector.send("GET", path, expect=404)
    assert not inspector.failures, inspector.report()


@ON_ONE_DATABASE
def test_what_operators_ask_tells_no_version_and_no_address(client: Client) -> None:
    for path, status in (("/healthz", "ok"), ("/readyz", "ready")):
        answer = client.get(path)
        assert answer.json["status"] == status
        assert set(answer.json) <= {"status", "failed"}
        assert not re.search(r"[0-9/@:]{2}", answer.text)


@ON_ONE_DATABASE
def test_credentials_in_a_query_are_never_read(person: Client) -> None:
    username, password, refresh = person.username, person.password, person.refresh_token
    credentials = f"username={username}&password={password.replace(' ', '+')}"
    stranger = person.another_device()
    inspector = Inspector(stranger)
    for body, status in (({}, 422), (None, 400), ({"username": username}, 422), ({"password": password}, 422)):
        inspector.send("POST", f"/token?{credentials}", body, expect=status)
    inspector.send("GET", f"/token?{credentials}", expect=405)
    for body, status in (({}, 422), (None, 400)):
        inspector.send("POST", f"/token/refresh?old_refresh_token={refresh}", body, expect=status)
        inspector.send("POST", f"/register?{credentials}&email=a@example.com", body, expect=status)
    for name in ("access_token", "token", "jwt", "Authorization", "bearer"):
        inspector.send("GET", f"/profile/me?{name}={person.access_token}", expect=401)
    inspector.send("POST", f"/logout?refresh_token={refresh}&access_token={person.access_token}", expect=401)
    assert not inspector.failures, inspector.report()
    assert person.get("/sessions").status == 200


@ON_ONE_DATABASE
def test_whose_data_it_is_follows_from_the_token_alone(newcomer: Callable[[], Client]) -> None:
    mine, theirs = newcomer().join(), newcomer().join()
    for client in (mine, theirs):
        client.post("/profile", {**PROFILE, "name": client.username})
    before = theirs.get("/profile/me").json
    inspector = Inspector(mine)
    for name, value in product(("user_id", "id", "sub", "username"), (before["id"], theirs.username)):
        headers = {f"X-{name.replace('_', '-')}": value, "Cookie": f"{name}={value}", "X-Remote-User": value}
        read = inspector.send("GET", f"/profile/me?{name}={value}", headers=headers, expect=200).json
        inspector.check(read["name"] == mine.username, f"{name}={value} showed {read['name']}")
        inspector.send("PUT", f"/profile?{name}={value}", {"name": mine.username}, headers=headers, expect=200)
        inspector.send("PUT", f"/profile?{name}={value}", {"name": "x", name: value}, headers=headers, expect=422)
    for path in (
        f"/profile/{before['id']}",
        f"/profile/{theirs.username}",
        f"/users/{before['id']}",
        "/profile/me/../1",
    ):
        inspector.send("GET", path, expect=404)
    inspector.send("DELETE", f"/profile?user_id={before['id']}", expect=200)
    assert not inspector.failures, inspector.report()
    assert theirs.get("/profile/me").json == before


@ON_ONE_DATABASE
def test_a_query_that_nobody_asked_for_changes_nothing(client: Client) -> None:
    inspector = Inspector(client)
    for query in ("?", "?=", "?&&", "?%", "?%zz", "?%ff=%fe", "?a[]=1&a[]=2", "?" + "a=1&" * 2000, "?\x00=1", "?%00"):
        inspector.send("GET", f"/healthz{query}", expect=200)
        inspector.send("POST", f"/token/refresh{query}", REFRESH.body, expect=401)
    assert not inspector.failures, inspector.report()

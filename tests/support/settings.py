"""What each setting may say, and what it may not."""

import os

# Name: the setting, what it is where nothing is set, the lowest and the highest in production.
NUMBERS: dict[str, tuple[str, int, int, int]] = {
    "ACCESS_TOKEN_SECONDS": ("access_token_seconds", 900, 1, 86_400),
    "REFRESH_TOKEN_SECONDS": ("refresh_token_seconds", 604_800, 1, 30 * 86_400),
    "SESSION_SECONDS": ("session_seconds", 2_592_000, 1, 366 * 86_400),
    "REFRESH_REUSE_GRACE_SECONDS": ("refresh_reuse_grace_seconds", 30, 0, 300),
    "BCRYPT_ROUNDS": ("bcrypt_rounds", 12, 10, 16),
    "PASSWORD_MIN_LENGTH": ("password_min_length", 8, 8, 64),
    "LOGIN_ATTEMPTS_PER_ACCOUNT": ("login_attempts_per_account", 10, 1, 100),
    "MAX_SESSIONS_PER_USER": ("max_sessions_per_user", 100, 1, 10_000),
    "TRUSTED_PROXIES": ("trusted_proxies", 0, 0, 10),
    "PORT": ("port", 8000, 1, 65_535),
    "WEB_CONCURRENCY": ("web_concurrency", os.cpu_count() or 2, 1, 512),
    "DATABASE_POOL_SIZE": ("database_pool_size", 8, 1, 100),
}
SWITCHES = {
    "REFRESH_TOKEN_ROTATION": "refresh_token_rotation",
    "DATABASE_PREPARE": "database_prepare",
    "RATELIMIT_ENABLED": "ratelimit_enabled",
}
OFF_AT_FIRST = {"REQUIRE_EMAIL_VERIFICATION": "require_email_verification"}
WRONG_ADDRESSES = [
    *("", "users.example.com", "ftp://a.example", "https://", "https://[::1", "https://a.example/?x=1", "//a.example"),
    *("https://a:x", "https://a a", "https://a:99999", "https://a:0", "https://a:", "https://u:p@a", "https://@a"),
    *(
        "https://:8000",
        "https://a?",
        "https://a#",
        "https://a/ b",
        "https://a\\b",
        "https://é",
        "https://a/é",
        "HTTPS://a",
    ),
    *("https://a\n", "https://a\n/b", "https://a/\x01", "https://a/%zz", "https://a,b", 'https://a"', "https://<a>"),
    *("https://[::1]a", "https://[::1%25eth0]", "https://[a.b]", "https://.", "https://a..b", "https://a:٣"),
]
# Name: the setting, what it is with REQUIRED alone, what is taken, what is refused.
TEXTS: dict[str, tuple[str, str | None, list[str], list[str]]] = {
    "APP_ENV": ("app_env", "production", ["production"], ["prod", "Production", "", "debug"]),
    "DATABASE_URL": (
        *("database_url", "postgresql+psycopg://owner:hunter2-canary@db.example/users"),
        [
            *("postgresql+psycopg://u@h/d", "sqlite:////var/lib/users.sqlite3", "postgresql+psycopg://u@[::1]:5433/d"),
            *("postgresql+psycopg://u@/d?host=/run/postgresql", "postgresql+psycopg://u@/d?host=a:5432&host=b"),
            *("postgresql+psycopg://u@/d?host=a,b&port=5432,5433", "postgresql+psycopg://u@h/d?sslmode=verify-full"),
        ],
        [
            *("", "mysql://u@h/d", "users.sqlite3", "sqlite://", "sqlite:///:memory:", "postgresql://u@h:port/d"),
            *("postgresql://u:hunter2@canary:x@h/d", "postgresql+psycopg2://u@h/d", "postgresql+asyncpg://u@h/d"),
            *(
                "postgresql://u@h:99999/d",
                "postgresql://u@h:-1/d",
                "postgresql://u@h/d?port=x",
                "postgresql://u@h/d%00",
            ),
            *(
                "postgresql://u@h/d?host=a:1&host=b:99999",
                "postgresql://u@h/d?sslmode=verify_full",
                "postgresql://u@h/d?x=1",
            ),
            *("postgresql://u@h/d?autocommit=true", "postgresql://u@h/d?prepare_threshold=5", "sqlite:////d/f%00"),
            *("sqlite://h/f", "sqlite:////d/f?timeout=x", "sqlite:////d/f?check_same_thread=x"),
            *("sqlite:///file::memory:?uri=true", "sqlite:///file:f?mode=memory&uri=true"),
        ],
    ),
    "PUBLIC_URL": (
        *("public_url", "https://users.example.com"),
        [
            *("https://a.example/api", "http://10.0.0.1:8000", "http://[::1]:8000", "http://user_service:65535"),
            *("https://A.example", "https://xn--bcher-kva.example/a%20b"),
        ],
        WRONG_ADDRESSES,
    ),
    "JWT_ISSUER": ("jwt_issuer", "https://users.example.com", ["https://id.example.com", "users"], [""]),
    "JWT_AUDIENCE": ("jwt_audience", "https://users.example.com", ["shop"], [""]),
    "DEFAULT_REGION": ("default_region", "US", ["GB", "BR"], ["UK", "us", "", "USA"]),
    "BIND": (
        *("bind", "0.0.0.0", ["127.0.0.1", "localhost", "::", "::1", "::ffff:127.0.0.1"]),
        [
            *(
                "",
                "[::1",
                "::1]",
                "[::1]:80",
                "127.0.0.1:80",
                "fe80::1%eth0",
                "::g",
                "a b",
                "a..b",
                "a" * 64,
                "a,b",
                "/a",
            ),
            *(
                "unix:",
                "unix://",
                "unix:a",
                "unix:/",
                "unix:/a b",
                "unix:/run/a.sock",
                "unix",
                "fd://3",
                "tcp://a",
                "[a]",
                "é",
            ),
        ],
    ),
    "MAIL_FROM": (
        *("mail_from", None, ["no-reply@example.com", "User Service <no-reply@example.com>"]),
        [
            "",
            "User Service",
            "a@b",
            "a@b.com\r\nBcc: c@d.com",
            "a@b.com, c@d.com",
            "é@b.com",
            "a@bücher.example",
            "a@b.com, é@b.com",
        ],
    ),
    "LINK_BASE_URL": ("link_base_url", None, ["https://shop.example.com/mail"], WRONG_ADDRESSES),
    "LOG_LEVEL": ("log_level", "INFO", ["DEBUG", "ERROR"], ["debug", "TRACE", ""]),
    "LIMITS": (
        *("limits", {}, []),
        [
            *("log-in=60/minute", "log-in-address", "log-in-address=60", "log-in-address=0/minute", "60/minute"),
            *("log-in-address=1/week", "log-in-address=100001/day", "log-in-address=1/day,log-in-address=2/day"),
        ],
    ),
    "CORS_ORIGINS": (
        *("cors_origins", (), []),
        [
            *("*", "https://a.example,*", "a.example", "https://a.example/", "https://A.example", "https://", "null"),
            *("https://a.example:443", "http://a.example:80", "https://*.a.example", "https://a.example b", "file://a"),
            *("https://u@a.example", "https://a.example?x", "https://a.example:0", "https://a.example:port"),
            *("https://a.example:65536", "http://[::::]"),
        ],
    ),
    "REDIS_URL": (
        *("redis_url", None),
        [
            *("redis://r/0", "rediss://r:6380/1", "redis://[::1]:6379", "redis://u:p%40@r?db=1", "unix:///run/r?db=1"),
            "rediss://r?ssl_cert_reqs=none&ssl_ca_certs=/etc/ca.crt",
        ],
        [
            *(
                "",
                "http://r",
                "r:6379",
                "redis:r",
                "unix:/r",
                "unix:",
                "unix://",
                "unix://r",
                "redis://[::1",
                "redis://r:x",
            ),
            *(
                "redis://r:99999",
                "redis://a..b",
                "redis://" + "a" * 64,
                "redis://é..",
                "redis://r?foo=1",
                "unix:///r?foo=1",
                "redis://r:",
            ),
            *("redis://r?socket_timeout=x", "redis://r?socket_timeout=60", "redis://r?retry=1", "redis://r?encoding=x"),
            *("redis://r?db=x", "redis://r?protocol=9", "redis://r?ssl_cert_reqs=none", "rediss://r?ssl_cert_reqs=x"),
            "rediss://r?ssl_keyfile=%00",
        ],
    ),
}

"""The laws of the house (docs/architecture.md), read from the source itself."""

import ast
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "user_service"
MODULES = sorted(PACKAGE.rglob("*.py"))
FEATURES = ("auth", "profile", "payment")
FLASK = ("flask", "werkzeug", "flask_smorest", "flask_jwt_extended", "webargs")
KNOW_FLASK = ("web/*", "*routes.py", "auth/tokens.py", "extensions.py", "__init__.py", "cli.py", "start*", "c[ho]*/*")
# From the bottom up; the first pattern that fits a module's path decides.
LAYERS = (
    (
        0,
        (
            "background.py",
            "extensions.py",
            "clock.py",
            "errors.py",
            "settings.py",
            "doors.py",
            "metrics.py",
            "logs.py",
            "urls.py",
        ),
    ),
    (7, ("__init__.py", "cli.py", "startup.py", "serving.py", "checks/*.py", "commands/*.py", "seed/*.py")),
    (
        1,
        (
            "database.py",
            "compiled.py",
            "database_clock.py",
            "connections.py",
            "principal.py",
            "windows.py",
            "counting.py",
            "security/*.py",
        ),
    ),
    (2, ("runtime.py", "keys/[!r]*.py", "keys/ring.py", "audit/*.py", "mail/*.py", "*/models.py")),
    (4, ("lifecycle.py", "reads.py", "pruning.py")),
    (5, ("web/*.py", "*/schemas.py", "*/*_schemas.py")),
    (6, ("*/routes.py", "*/*_routes.py", "auth/tokens.py")),
    (3, ("*/*.py",)),  # services and what they are made of
)


def layer_of(module: Path) -> int:
    relative = module.relative_to(PACKAGE)
    if relative.name == "__init__.py" and len(relative.parts) > 1:
        return 0  # they are empty, by law 6
    return next(layer for layer, patterns in LAYERS if any(fnmatch(str(relative), pattern) for pattern in patterns))


def imports_of(module: Path) -> Iterator[tuple[str, bool]]:
    """Every module imported, wherever the statement stands, and whether it stands at the top."""
    tree = ast.parse(module.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node in tree.body) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
            yield from ((name, node in tree.body) for name in names)


def source_of(name: str) -> Path | None:
    """The file of a module of the package; None for anything else."""
    parts = name.split(".")
    if parts[0] != PACKAGE.name:
        return None
    path = PACKAGE.joinpath(*parts[1:])
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)


def test_nothing_imports_a_higher_layer() -> None:
    wrong = [
        f"{module.relative_to(PACKAGE)} (layer {layer_of(module)}) imports {name}"
        for module in MODULES
        for name, _ in imports_of(module)
        if (source := source_of(name)) and source != PACKAGE / "__init__.py" and layer_of(source) > layer_of(module)
    ]
    assert not wrong


def test_late_imports_stand_in_the_factory_and_the_commands_alone() -> None:
    assert not [m for m in MODULES if layer_of(m) < 7 and any(not top for _, top in imports_of(m))]


def test_features_do_not_import_each_other() -> None:
    others = {
        feature: tuple(f"user_service.{other}." for other in FEATURES if other != feature) for feature in FEATURES
    }
    modules = [(feature, module) for feature in FEATURES for module in (PACKAGE / feature).glob("*.py")]
    assert not [
        (m, name) for feature, m in modules for name, _ in imports_of(m) if f"{name}.".startswith(others[feature])
    ]


def test_flask_is_known_only_where_requests_are() -> None:
    wrong = [
        f"{module.relative_to(PACKAGE)} imports {name}"
        for module in MODULES
        if not any(fnmatch(str(module.relative_to(PACKAGE)), pattern) for pattern in KNOW_FLASK)
        for name, _ in imports_of(module)
        if name.split(".")[0] in FLASK
    ]
    assert not wrong


def test_there_is_one_commit_and_one_module_that_knows_the_current_application() -> None:
    texts = {str(module.relative_to(PACKAGE)): module.read_text() for module in MODULES}
    assert [name for name, text in texts.items() for _ in range(text.count(".commit("))] == ["database.py"]
    assert [name for name, text in texts.items() if "current_app" in text] == ["extensions.py"]


def test_nothing_in_the_package_reads_the_configuration() -> None:
    assert not [m for m in MODULES for name, _ in imports_of(m) if name.split(".")[0] in ("config", "wsgi")]


def test_the_init_files_of_the_rooms_import_nothing() -> None:
    assert not [m for m in MODULES if m.name == "__init__.py" and m.parent != PACKAGE and list(imports_of(m))]


def test_whoever_opens_a_transaction_is_retried() -> None:
    """A deadlock is nobody's fault: put @retried (of database.py) over each function that opens a transaction()."""
    without = []
    for module in MODULES:
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.FunctionDef) and "with transaction(" in ast.unparse(node):
                decorators = {ast.unparse(decorator) for decorator in node.decorator_list}
                without += [f"{module.relative_to(PACKAGE)}: {node.name}"] * ("retried" not in decorators)
    assert not without

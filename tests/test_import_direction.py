"""Imports point left only, as the way of the data does. Read from the source, so nothing has to be importable."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from dataflow_assets.settings import PROJECT_ROOT

PACKAGE = "dataflow_assets"
ROOT = PROJECT_ROOT / PACKAGE

# Modules that are values for everybody: they import nothing of ours but one another.
GROUND = {"settings", "vendor_settings", "windows"}
# Each may import what stands left of it. `partitions` is the calendar of everything that is a Dagster asset.
LINE = ["resources", "connectors", "partitions", "raw", "transform", "aggregates", "checks", "automation", "cli"]
LAST = "definitions"  # assembles the line; the command line loads it
BESIDE = {"sandbox", "dashboard", "embedded"}  # nothing in the line imports them, but for the exceptions below
MAY_START_SERVERS = {"resources/platform.py", "cli/doctor.py", "cli/main.py", "cli/dev.py"}
ASSETS_OF_RAW = {"raw/factory.py", "raw/report.py"}  # the rest of raw/ knows nothing of Dagster
# Who hands variables to child processes and to Dagster and dbt; they set them and do not decide by them.
WRITES_ENVIRONMENT = {"resources/dbt.py", "cli/instance.py", "cli/dev.py"}


@dataclass(frozen=True)
class Import:
    """One imported module, and where."""

    file: str  # below the package
    line: int
    module: str

    def __str__(self) -> str:
        return f"{PACKAGE}/{self.file}:{self.line} imports {self.module}"


def parsed() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(ROOT.rglob("*.py")):
        yield path.relative_to(ROOT).as_posix(), ast.parse(path.read_text("utf-8"))


def imports_of(file: str, tree: ast.Module) -> Iterator[Import]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(file, node.lineno, alias.name)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno} has a relative import, which this test cannot place"
            for alias in node.names:
                # `from dataflow_assets.raw import ledger` imports a module, `from x import Name` something in one.
                yield Import(file, node.lineno, f"{node.module}.{alias.name}")


@pytest.fixture(scope="module")
def imports() -> list[Import]:
    found = [item for file, tree in parsed() for item in imports_of(file, tree)]
    assert len(found) > 300
    return found


def place(dotted: str) -> str:
    """The folder or top module of ours that a dotted name lies in."""
    return dotted.split(".")[1]


def of_file(file: str) -> str:
    return Path(file).parts[0].removesuffix(".py")


def ours(imports: list[Import]) -> Iterator[tuple[str, str, Import]]:
    """(importing part, imported part, import) of imports that cross from one part of the package to another."""
    for item in imports:
        if item.module.startswith(f"{PACKAGE}.") and of_file(item.file) != place(item.module):
            yield of_file(item.file), place(item.module), item


def listed(broken: list[Import]) -> str:
    return "\n".join(["", *map(str, broken)])


def test_every_part_of_the_package_has_a_place() -> None:
    parts = {of_file(file) for file, _ in parsed()} - {"__init__"}
    assert parts <= {*GROUND, *LINE, LAST, *BESIDE}, "Say in this test where the new part stands in the line."


def test_imports_point_left_only(imports: list[Import]) -> None:
    def allowed(importer: str, imported: str) -> bool:
        if importer in GROUND:
            return imported in GROUND
        if importer in BESIDE:
            return True  # see below
        if imported in GROUND or importer == LAST:
            return True
        if imported == LAST:
            return importer == "cli"
        return imported in LINE and LINE.index(imported) < LINE.index(importer)

    broken = [
        item for importer, imported, item in ours(imports) if imported not in BESIDE and not allowed(importer, imported)
    ]
    assert not broken, f"Right of the line is imported from its left ({' <- '.join(LINE)} <- {LAST}):{listed(broken)}"


def test_nothing_in_the_line_imports_the_sandbox_or_the_dashboard(imports: list[Import]) -> None:
    broken = [item for _, imported, item in ours(imports) if imported in {"sandbox", "dashboard"}]
    assert not broken, listed(broken)


def test_law_12_the_sandbox_knows_nothing_of_the_pipeline_it_judges(imports: list[Import]) -> None:
    # A sandbox made from the connector's code would agree with its mistakes.
    broken = [item for importer, _, item in ours(imports) if importer == "sandbox"]
    assert not broken, listed(broken)


def test_the_private_servers_are_a_leaf_asked_by_the_platform_only(imports: list[Import]) -> None:
    down = [item for importer, _, item in ours(imports) if importer == "embedded"]
    assert not down, f"embedded/ is a leaf:{listed(down)}"
    up = [i for _, imported, i in ours(imports) if imported == "embedded" and i.file not in MAY_START_SERVERS]
    assert not up, f"Only {', '.join(sorted(MAY_START_SERVERS))} may ask for private servers:{listed(up)}"


def test_no_private_module_of_dagster_is_imported(imports: list[Import]) -> None:
    broken = [item for item in imports if item.module.startswith(("dagster._", "dagster_dbt._", "dagster_shared"))]
    assert not broken, listed(broken)


def test_loading_knows_nothing_of_dagster(imports: list[Import]) -> None:
    without = {"raw", "connectors", "sandbox", "embedded", *GROUND}
    broken = [
        item
        for item in imports
        if of_file(item.file) in without and item.file not in ASSETS_OF_RAW and item.module.split(".")[0] == "dagster"
    ]
    assert not broken, f"Only {', '.join(sorted(ASSETS_OF_RAW))} of these make assets:{listed(broken)}"


# A dbt command and the server that runs it hand a whole environment over, and look for each other in it; they read no
# setting.
CARRY_ENVIRONMENT = {"resources/dbt_client.py", "resources/dbt_server.py"}


def environment_uses(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Every use of the environment: (line, how it is used)."""
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "os":
            for alias in node.names:
                if alias.name in {"environ", "environb", "getenv"}:
                    yield node.lineno, "imports it by name, where this test cannot follow it"
        if not (isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "os"):
            continue
        if node.attr == "getenv":
            yield node.lineno, "reads"
        if node.attr in {"environ", "environb"}:
            yield node.lineno, _how(node, parents)


def _how(node: ast.Attribute, parents: dict[ast.AST, ast.AST]) -> str:
    parent = parents[node]
    if isinstance(parent, ast.Subscript) and isinstance(parent.ctx, (ast.Store, ast.Del)):
        return "writes"
    if isinstance(parent, ast.Attribute) and parent.attr in {"update", "setdefault", "pop"}:
        return "writes"
    if isinstance(parent, ast.Dict):
        return "passes on"
    return "reads"


def test_only_settings_read_the_environment() -> None:
    broken = [
        f"{PACKAGE}/{file}:{line} {how}"
        for file, tree in parsed()
        for line, how in environment_uses(tree)
        if of_file(file) not in {"settings", "embedded"}  # embedded hands PATH and the like to the servers it starts
        and file not in CARRY_ENVIRONMENT
        and not (file in WRITES_ENVIRONMENT and how in {"writes", "passes on"})
    ]
    assert not broken, "Settings are read in one place, so that all of them are known:\n" + "\n".join(broken)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("import os\nx = os.environ['A']", "reads"),
        ("import os\nx = os.getenv('A')", "reads"),
        ("import os\nx = 'A' in os.environ", "reads"),
        ("import os\nos.environ['A'] = 'b'", "writes"),
        ("import os\nos.environ.update(a)", "writes"),
        ("import os\nx = {**os.environ, 'a': 'b'}", "passes on"),
    ],
)
def test_uses_of_the_environment_are_told_apart(code: str, expected: str) -> None:
    assert [how for _, how in environment_uses(ast.parse(code))] == [expected]

"""The part of our own source that an MLflow model needs to load: the imports of one module, followed.

It is copied beside the artifact, so that `mlflow models serve` works in an environment that has never
seen this package. Found from the syntax tree: nothing is executed.
"""

import ast
from pathlib import Path

PACKAGE = "neural_hive_ml"
# Where this package is installed as well, its other modules stay importable beside the copied ones.
_EXTEND = "\n__path__ = __import__('pkgutil').extend_path(__path__, __name__)\n"


def closure(root: Path, module: str) -> dict[str, str]:
    """Return relative path -> source of `module` and of all it imports from this package.

    `root` is the folder that holds the package. Imports inside functions count.

    Complexity: O(total source length); each module is parsed once.
    """
    sources: dict[str, str] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        path = _path_of(root, name)
        if path is None:
            continue
        relative = path.relative_to(root).as_posix()
        if relative in sources:
            continue
        sources[relative] = path.read_text(encoding="utf-8")
        waiting += _imports(ast.parse(sources[relative], relative))
        waiting += [name.rpartition(".")[0]] if "." in name else []
    return sources


def copy_code(into: Path, module: str) -> Path:
    """Write the closure of `module` under `into` and return the package folder, for MLflow's `code_paths`."""
    root = Path(__file__).resolve().parents[2]
    for relative, source in sorted(closure(root, module).items()):
        target = into / relative
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(source + (_EXTEND if target.name == "__init__.py" else ""), encoding="utf-8")
    return into / PACKAGE


def _path_of(root: Path, module: str) -> Path | None:
    base = root.joinpath(*module.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


def _imports(tree: ast.AST) -> list[str]:
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return [name for name in names if name == PACKAGE or name.startswith(f"{PACKAGE}.")]

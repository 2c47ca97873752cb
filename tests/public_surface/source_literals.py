"""String literals of the program's source, independent of the names of its modules and classes.

Docstrings, annotations, `__all__` and the names in `cast`, `TypeVar` and `getattr` are excluded: they contain
names of classes and attributes, which are internal.
"""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.public_surface.application import root_package

LEVELS = ("debug", "info", "warning", "error", "exception", "critical")
METRIC_PREFIX = "job_profiler_"
_EVENT = re.compile(r"[a-z][a-z0-9_]*")
_WORD = re.compile(r"(?:[A-Z]+[a-z0-9]+|[A-Z]{2,}[a-z0-9]*)(?:[A-Z]+[a-z0-9]*)*")
_LEADING_WORD = re.compile(rf"({_WORD.pattern}): ")
_KEYS = re.compile(
    r"[\w.-]*liqo\.io(?:\.[a-z.]+)?(?:/[\w-]+)?"
    r"|\bjob-profiler[\w-]*"
    r"|\b[\w-]+\.(?:crt|key|json|npz|svg)\b"
)
_PATH = re.compile(r"/[a-z][\w./-]*")
_NAMING_CALLS = {"cast": 0, "TypeVar": 0, "NewType": 0, "getattr": 1, "setattr": 1, "hasattr": 1}
# Names of arrays in a check-point; the test of a stored check-point covers them.
_ARRAYS = {"first_seen", "last_seen", "steps_seen", "seen_last", "request_bytes", "response_bytes"}
_ARRAYS_BENEATH = {"/coverage", "/parts", "/seen_last", "/starts"}
_SHORTEST_DOCUMENT = 2  # keys
_PICTURES = {"charts"}


@cache
def trees() -> tuple[ast.Module, ...]:
    """The program's modules without internal names; the words of pictures are Vega's and SVG's."""
    (root,) = root_package.__path__
    paths = sorted(path for path in Path(root).rglob("*.py") if path.parent.name not in _PICTURES)
    modules = (ast.parse(path.read_text()) for path in paths)
    return tuple(_Stripped().visit(module) for module in modules)


class _Stripped(ast.NodeTransformer):
    """Removes docstrings, annotations, `__all__`, and names of types and attributes in calls."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        return None if isinstance(node.value, ast.Constant) else self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        node.annotation = ast.Name("_", ast.Load())
        return self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> ast.AST | None:
        names = [target.id for target in node.targets if isinstance(target, ast.Name)]
        return None if "__all__" in names else self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if isinstance(node.func, ast.Name) and node.func.id in _NAMING_CALLS:
            del node.args[_NAMING_CALLS[node.func.id]]
        return self.generic_visit(node)


def literals() -> Iterator[str]:
    """Every string constant, those in f-strings included."""
    for node in (node for tree in trees() for node in ast.walk(tree)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def words() -> set[str]:
    """CamelCase words: reasons, states, kinds, and the word before the colon of a longer reason."""
    whole_words = {text for text in literals() if _WORD.fullmatch(text)}
    return whole_words | {match[1] for text in literals() if (match := _LEADING_WORD.match(text))}


def keys_and_names() -> set[str]:
    """Keys of annotations and labels, names of objects and of their data, and HTTP paths."""
    keys = {match[0] for text in literals() for match in _KEYS.finditer(text)}
    return keys | {text for text in literals() if _PATH.fullmatch(text)} - _ARRAYS_BENEATH


def enumerations() -> set[str]:
    """The values of each StrEnum, on one line each."""
    return {
        " | ".join(sorted(_values(node)))
        for tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and any("StrEnum" in ast.unparse(base) for base in node.bases)
    }


def _values(node: ast.ClassDef) -> list[str]:
    assigned = (statement.value for statement in node.body if isinstance(statement, ast.Assign))
    return [str(value.value) for value in assigned if isinstance(value, ast.Constant)]


def documents() -> set[str]:
    """The keys of each dict literal with two keys or more, on one line each."""
    return {
        ", ".join(sorted(keys))
        for tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Dict) and len(keys := _constant_keys(node)) >= _SHORTEST_DOCUMENT
    }


def _constant_keys(node: ast.Dict) -> list[str]:
    constants = (key.value for key in node.keys if isinstance(key, ast.Constant))
    return [key for key in constants if isinstance(key, str) and not key.startswith(METRIC_PREFIX)]


def label_values() -> set[str]:
    """The constant label values in calls of `labels` on metrics."""
    return {
        str(argument.value)
        for tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "labels"
        for argument in node.args
        if isinstance(argument, ast.Constant)
    }


def log_lines() -> set[str]:
    """Each `level event keys`; keys bound to a logger are listed after `bound`."""
    lines = {line for tree in trees() for function in _functions(tree) for line in _lines(function)}
    return lines | {line for tree in trees() for line in _outage_lines(tree)}


def _outage_lines(tree: ast.Module) -> Iterator[str]:
    """The lines of every `OutageLog(log, event, recovery=, field=, context=)`."""
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "OutageLog":
            arguments = {keyword.arg: keyword.value for keyword in call.keywords}
            context = arguments.get("context", ast.Dict([], []))
            assert isinstance(context, ast.Dict)
            keys = [ast.literal_eval(key) for key in context.keys if key is not None]
            field = ast.literal_eval(arguments.get("field", ast.Constant("error")))
            yield " ".join(["warning", ast.literal_eval(call.args[1]), *sorted([field, *keys])])
            if recovery := arguments.get("recovery"):
                yield " ".join(["info", ast.literal_eval(recovery), *sorted(keys)])


def _functions(tree: ast.Module) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def _lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    nodes = list(ast.walk(function))
    methods_by_variable = {
        target.id: _methods(node.value)
        for node in nodes
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for call in (node for node in nodes if isinstance(node, ast.Call)):
        keys = sorted(keyword.arg or "**" for keyword in call.keywords)
        if isinstance(call.func, ast.Attribute) and call.func.attr == "bind" and not call.args and keys:
            yield f"bound {' '.join(keys)}"
            continue
        levels = (
            methods_by_variable.get(call.func.id, "")
            if isinstance(call.func, ast.Name)
            else _methods(call.func)
        )
        if levels and call.args and (event := _event(call.args[0])):
            yield " ".join((levels, event, *keys))


def _methods(value: ast.expr) -> str:
    """The level of a logger's method, both levels of a conditional expression, or an empty string."""
    if isinstance(value, ast.IfExp):
        both = {_methods(value.body), _methods(value.orelse)}
        return "" if "" in both else "|".join(sorted(both))
    return value.attr if isinstance(value, ast.Attribute) and value.attr in LEVELS else ""


def _event(argument: ast.expr) -> str:
    """The event, or `...` if it is a variable, the values of which are among the other literals."""
    if isinstance(argument, ast.Name):
        return "..."
    is_event = isinstance(argument, ast.Constant) and _EVENT.fullmatch(str(argument.value))
    return str(argument.value) if is_event and isinstance(argument, ast.Constant) else ""


def snake_case_words() -> set[str]:
    """Words with an underscore: events in variables, label values, and labels of sources."""
    candidates = {text for text in literals() if re.fullmatch(r"[a-z]+(_[a-z]+)+", text)}
    return {text for text in candidates if not text.startswith(METRIC_PREFIX)} - _ARRAYS


def metric_names() -> set[str]:
    """The metric names that are string literals."""
    return {text for text in literals() if re.fullmatch(rf"{METRIC_PREFIX}\w*[a-z]", text)}

# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The sources fit every distribution: Python 3.10 (Humble), NumPy 1.21 (Humble) and 2 (Lyrical)."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PYTHON = (3, 10)
SOURCES = sorted(
    path
    for top in ("spatialgeo_ros", "launch", "bench", "test", "tools", "scripts", "setup.py")
    for path in ([REPOSITORY / top] if top == "setup.py" else (REPOSITORY / top).rglob("*"))
    if path.suffix == ".py"
    or (path.is_file() and path.suffix == "" and b"python" in path.read_bytes()[:40])
)
#: Every file that may say what differs between distributions, besides the compatibility module.
COMPATIBILITY = "spatialgeo_ros/node/compatibility.py"

# What the standard library has only since Python 3.11: modules, and names of modules.
NEW_MODULES = {"tomllib", "wsgiref.types", "annotationlib", "compression"}
NEW_NAMES = {
    "asyncio": {"Barrier", "Runner", "TaskGroup", "timeout", "timeout_at"},
    "builtins": {"BaseExceptionGroup", "ExceptionGroup", "PythonFinalizationError"},
    "contextlib": {"chdir"},
    "copy": {"replace"},
    "datetime": {"UTC"},
    "enum": {"EnumCheck", "EnumType", "FlagBoundary", "ReprEnum", "StrEnum", "verify"},
    "functools": {"Placeholder"},
    "hashlib": {"file_digest"},
    "inspect": {"getmembers_static", "markcoroutinefunction"},
    "itertools": {"batched"},
    "logging": {"getLevelNamesMapping", "getHandlerByName"},
    "math": {"cbrt", "exp2", "fma", "sumprod"},
    "operator": {"call"},
    "os": {"process_cpu_count", "EX_OK_"},
    "re": {"NOFLAG"},
    "sys": {"monitoring", "exception"},
    "typing": {
        "LiteralString", "Never", "NotRequired", "ReadOnly", "Required", "Self", "TypeAliasType",
        "TypeIs", "TypeVarTuple", "Unpack", "assert_never", "assert_type", "dataclass_transform",
        "override", "reveal_type",
    },
    "warnings": {"deprecated"},
}  # fmt: skip

# What NumPy has only since 1.22 or later: functions, and keywords of functions.
NEW_IN_NUMPY = {
    "acos", "acosh", "asin", "asinh", "astype", "atan", "atan2", "atanh", "bitwise_count",
    "bitwise_invert", "bitwise_left_shift", "bitwise_right_shift", "bool", "concat",
    "cumulative_prod", "cumulative_sum", "dtypes", "exceptions", "from_dlpack", "isdtype", "long",
    "matrix_transpose", "matvec", "permute_dims", "pow", "strings", "trapezoid", "ulong",
    "unique_all", "unique_counts", "unique_inverse", "unique_values", "unstack", "vecdot", "vecmat",
}  # fmt: skip
NEW_IN_LINALG = {"cross", "diagonal", "matrix_norm", "matrix_transpose", "outer", "svdvals",
                 "tensordot", "trace", "vecdot", "vector_norm"}  # fmt: skip
NEW_KEYWORDS = {
    "asarray": {"copy", "device"},
    "genfromtxt": {"ndmin"},
    "histogram": set(),
    "hstack": {"casting", "dtype"},
    "loadtxt": {"quotechar"},
    "nanmax": {"initial", "where"},
    "nanmean": {"where"},
    "nanmin": {"initial", "where"},
    "nanpercentile": {"method", "weights"},
    "nanprod": {"initial", "where"},
    "nanquantile": {"method", "weights"},
    "nanstd": {"correction", "mean", "where"},
    "nansum": {"initial", "where"},
    "percentile": {"method", "weights"},
    "quantile": {"method", "weights"},
    "reshape": {"copy", "shape"},
    "stack": {"casting", "dtype"},
    "std": {"correction", "mean"},
    "unique": {"equal_nan", "sorted"},
    "var": {"correction", "mean"},
    "vstack": {"casting", "dtype"},
}


def name_of(node: ast.expr) -> str:
    """Dotted name of an expression, "" when it is none."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        base = name_of(node.value)
        return f"{base}.{node.attr}" if base else ""
    return ""


def too_new(tree: ast.Module) -> Iterator[str]:
    """What Humble's Python or NumPy does not have."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
            yield from (f"line {node.lineno}: {name}" for name in names if name in NEW_MODULES)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            new = {alias.name for alias in node.names} & NEW_NAMES.get(module, set())
            if module in NEW_MODULES or new:
                yield f"line {node.lineno}: {module} {sorted(new)}"
        elif isinstance(node, ast.Name) and node.id in NEW_NAMES["builtins"]:
            yield f"line {node.lineno}: {node.id}"
        elif isinstance(node, ast.Attribute):
            module, _, attribute = name_of(node).rpartition(".")
            if (
                attribute in NEW_NAMES.get(module, set())
                or (module in ("np", "numpy") and attribute in NEW_IN_NUMPY)
                or (module in ("np.linalg", "numpy.linalg") and attribute in NEW_IN_LINALG)
            ):
                yield f"line {node.lineno}: {module}.{attribute}"
        elif isinstance(node, ast.Call):
            module, _, function = name_of(node.func).rpartition(".")
            given = {keyword.arg for keyword in node.keywords}
            if module in ("np", "numpy") and given & NEW_KEYWORDS.get(function, set()):
                yield f"line {node.lineno}: np.{function}({given & NEW_KEYWORDS[function]})"
            if module in ("np", "numpy") and function == "array":
                for keyword in node.keywords:
                    if keyword.arg == "copy" and isinstance(keyword.value, ast.Constant):
                        if keyword.value.value is not True:  # None is new, False means another
                            yield f"line {node.lineno}: np.array(copy={keyword.value.value})"


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(REPOSITORY)))
def test_a_source_fits_the_python_and_numpy_of_humble(path: Path) -> None:
    tree = ast.parse(path.read_text(), str(path), feature_version=PYTHON)
    assert not list(too_new(tree))


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("import tomllib", True),
        ("from typing import Any, Self", True),
        ("from datetime import UTC", True),
        ("import datetime; datetime.UTC", True),
        ("raise ExceptionGroup('', [])", True),
        ("np.trapezoid(x)", True),
        ("np.bool", True),
        ("np.linalg.vector_norm(x)", True),
        ("np.nanmax(x, initial=0.0)", True),
        ("np.percentile(x, 50, method='nearest')", True),
        ("np.array(x, copy=False)", True),
        ("np.array(x, copy=None)", True),
        ("np.max(x, initial=0.0, where=y)", False),
        ("np.bool_", False),
        ("np.linalg.norm(x)", False),
        ("np.array(x, copy=True)", False),
        ("x.bool", False),
        ("torch.trapezoid(x)", False),
        ("from typing import Any", False),
    ],
)
def test_what_is_too_new_is_found(line: str, found: bool) -> None:
    assert bool(list(too_new(ast.parse(line)))) is found


def test_newer_syntax_is_found() -> None:
    for line in ("try: ...\nexcept* ValueError: ...", "type X = int", "def f[T](x: T): ..."):
        with pytest.raises(SyntaxError):
            ast.parse(line, feature_version=PYTHON)


def test_what_numpy_2_removed_is_found_by_ruff(tmp_path: Path) -> None:
    """With the rules of this repository, on which ``make lint`` insists."""
    pytest.importorskip("ruff")
    sample = tmp_path / "sample.py"
    sample.write_text("import numpy as np\n\nprint(np.float_, np.Inf, np.in1d, np.product)\n")
    command = [sys.executable, "-m", "ruff", "check", "--output-format", "concise", "--no-cache"]
    command += ["--config", str(REPOSITORY / "pyproject.toml"), str(sample)]
    output = subprocess.run(command, capture_output=True, text=True).stdout
    assert output.count("NPY201") >= 3 and output.count("NPY003") == 1


def test_differences_are_met_in_one_module() -> None:
    """Nobody else asks for a distribution, or for what only some of them have."""
    asks = re.compile(
        r"rclpy\.(qos_event|event_handler|experimental|impl)\b|_check_fields|rosidl_buffer"
        r"|hasattr\([^)]*_callback|FAST(RTPS|DDS)_DEFAULT|ROS_LOCALHOST_ONLY"
        r"|environ.*\bROS_DISTRO\b"
    )
    asking = {
        str(path.relative_to(REPOSITORY))
        for top in ("spatialgeo_ros", "launch", "bench")
        for path in (REPOSITORY / top).rglob("*.py")
        if asks.search(path.read_text())
    }
    # What tells people about their environment names its variables, too.
    told = {
        "spatialgeo_ros/doctor/graph.py",
        "spatialgeo_ros/doctor/middleware.py",
        "spatialgeo_ros/findings/catalogue_cameras.py",
        "spatialgeo_ros/findings/catalogue_machine.py",
    }
    assert asking - told == {COMPATIBILITY}

# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The package keeps its own promises: floors, declared dependencies, headers, equal constants."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from enum import IntEnum
from functools import cache
from pathlib import Path

import pytest

from spatialgeo_ros import errors

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGE = REPOSITORY / "spatialgeo_ros"
SOURCES = sorted(PACKAGE.rglob("*.py"))

# A file imports from its own floor or below. The first part of the dotted name decides.
FLOORS = {
    "": 0,
    "errors": 0,
    "geometry": 1,
    "runtime": 1,
    "query": 1,
    "speech": 1,
    "findings": 1,
    "memory": 2,
    "models": 2,
    "recordings": 2,
    "sim": 2,  # stands beside the stack: it knows geometry, and training and robot_sim know it
    "grounding": 3,
    "scene": 3,
    "answer": 3,
    "networks": 3,
    "perception": 3,
    "drawing": 3,
    "training": 3,
    "evaluation": 3,
    "node": 4,
    "robot_sim": 4,
    "replay": 4,
    "mcp_server": 4,
    "doctor": 4,
    "batch": 4,
    "viewer": 4,
    "cli": 4,
}
# What a room may import of its own floor. It names no circle, and a room without a line none.
NEIGHBOURS = {
    "geometry": {"query"},  # usual sizes are found by the one table of nouns
    "speech": {"query", "runtime"},  # files of tokenizers are read like all files from outside
    "grounding": {"networks"},
    "scene": {"grounding", "networks"},
    "answer": {"scene", "grounding", "networks"},
    "perception": {"answer", "scene", "grounding", "networks"},
    "evaluation": {"perception", "scene", "training", "networks", "grounding"},
    "replay": {"node"},
    "robot_sim": {"node", "replay", "viewer"},
    "doctor": {"node"},
    "cli": {"node", "mcp_server", "doctor", "batch"},
    "mcp_server": {"node"},
    "batch": {"node", "mcp_server"},
    "viewer": {"node"},
}
# Rooms that know neither torch nor ROS, and what they may import besides the standard library.
PLAIN_ROOMS = {"geometry": {"numpy", "cv2"}, "memory": {"numpy"}, "query": {"numpy"}}
GENERATED = {"msg", "srv", "action"}
NODE_FLOOR = FLOORS["node"]

# Import name -> rosdep key, where they differ.
ROSDEP_KEYS = {
    "cv2": "python3-opencv",
    "hypothesis": "python3-hypothesis",
    "launch_ros": "launch_ros",
    "numpy": "python3-numpy",
    "PIL": "python3-pil",
    "pytest": "python3-pytest",
    "scipy": "python3-scipy",
    "tf2_ros": "tf2_ros_py",
    "tqdm": "python3-tqdm",
    "yaml": "python3-yaml",
}
# No rosdep key in every supported distribution, or (torch, transformers) one that asks for no
# version: constraints.txt and pyproject.toml declare them.
WITHOUT_ROSDEP_KEY = {
    "accelerate",
    "bitsandbytes",
    "anyio",
    "huggingface_hub",
    "mcp",
    "mujoco",
    "onnx",
    "onnxruntime",
    "onnxscript",
    "peft",
    "pycocoevalcap",
    "ray",
    "rerun",
    "rosbags",
    "rouge_score",
    "safetensors",
    "sentencepiece",
    "tokenizers",
    "torch",
    "transformers",
}


def module_name(path: Path) -> str:
    """Dotted name within the package, "" for the package itself."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


def imports(path: Path, of_functions: bool = True) -> Iterator[str]:
    """Names of imported modules; of ``from a import b`` both ``a`` and ``a.b``.

    Those for type checkers are among them; without ``of_functions`` those inside functions are not.
    """
    pending: list[ast.AST] = [tree(path)]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif not of_functions and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        pending.extend(ast.iter_child_nodes(node))


@cache
def own_imports(path: Path, of_functions: bool = True) -> set[str]:
    """Modules of this package that a file imports, without the package's name."""
    names = (name for name in imports(path, of_functions) if name.startswith("spatialgeo_ros."))
    known = {module_name(source) for source in SOURCES}
    own = {name.removeprefix("spatialgeo_ros.") for name in names}
    return {name for name in own if name in known or name.split(".")[0] in GENERATED}


def floor(module: str) -> int:
    top = module.split(".")[0]
    if top in GENERATED:
        return NODE_FLOOR
    if (PACKAGE / f"{top}.py").is_file():
        return FLOORS[top]
    return FLOORS[top]  # a folder without a floor fails here: give it one


@pytest.mark.parametrize("path", SOURCES, ids=module_name)
def test_file_imports_only_its_own_floor_or_below(path: Path) -> None:
    own = floor(module_name(path))
    above = {name for name in own_imports(path) if floor(name) > own}
    assert not above


@pytest.mark.parametrize("path", SOURCES, ids=module_name)
def test_only_the_node_floor_knows_ros(path: Path) -> None:
    ros = {
        name
        for name in imports(path)
        if name.split(".")[0] in {"rclpy", "launch", "launch_ros", "tf2_ros"}
        or name.split(".")[0].endswith(("_msgs", "_srvs"))
        or name.startswith(tuple(f"spatialgeo_ros.{kind}" for kind in GENERATED))
    }
    assert not ros or floor(module_name(path)) == NODE_FLOOR


@pytest.mark.parametrize("path", SOURCES, ids=module_name)
def test_a_room_imports_only_the_neighbours_it_may(path: Path) -> None:
    own = module_name(path)
    room = own.split(".")[0]
    others = {name.split(".")[0] for name in own_imports(path) if floor(name) == floor(own)}
    assert others - GENERATED - {room} <= NEIGHBOURS.get(room, set())


def test_the_neighbours_are_rooms_of_one_floor() -> None:
    for room, others in NEIGHBOURS.items():
        assert {FLOORS[other] for other in others} == {FLOORS[room]}, room
    assert_no_cycle(NEIGHBOURS)


@pytest.mark.parametrize("room", PLAIN_ROOMS)
def test_some_rooms_know_neither_torch_nor_ros(room: str) -> None:
    allowed = {"spatialgeo_ros", *PLAIN_ROOMS[room], *sys.stdlib_module_names}
    for path in sorted((PACKAGE / room).rglob("*.py")):
        foreign = {name.split(".")[0] for name in imports(path)} - allowed
        assert not foreign, f"{path.name} imports {foreign}"
        below = {name.split(".")[0] for name in own_imports(path)}
        assert below <= {*PLAIN_ROOMS, "errors"}, f"{path.name} imports {below}"


def test_imports_have_no_cycle() -> None:
    """Also none through type checkers: two rooms that need each other's types are one room."""
    assert_no_cycle({module_name(path): own_imports(path, of_functions=False) for path in SOURCES})


def assert_no_cycle(graph: dict[str, set[str]]) -> None:
    finished: set[str] = set()

    def visit(module: str, trail: tuple[str, ...]) -> None:
        assert module not in trail, " -> ".join((*trail, module))
        if module in finished:
            return
        for wanted in graph.get(module, set()):
            if wanted != module:
                visit(wanted, (*trail, module))
        finished.add(module)

    for module in graph:
        visit(module, ())


def test_the_architecture_page_shows_every_room_on_its_floor() -> None:
    rows = (REPOSITORY / "docs" / "architecture.md").read_text().splitlines()
    for room in filter(None, FLOORS):
        name = f"`{room}/`" if (PACKAGE / room).is_dir() else f"`{room}.py`"
        assert any(row.startswith(f"| {FLOORS[room]} |") and name in row for row in rows), room


def tracked(*patterns: str) -> list[Path]:
    """Files of the repository that git tracks."""
    command = ["git", "-C", str(REPOSITORY), "ls-files", "-z", "--", *patterns]
    listed = subprocess.run(command, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [REPOSITORY / name for name in listed.stdout.split("\0") if name]


def test_every_module_that_a_text_names_is_there() -> None:
    """In strings, docstrings, pages and the Makefile: what is started by name moves unseen."""
    texts = tracked("*.py", "*.md", "*.yaml", "Makefile", "scripts/*", "tools/*", ".ci/*")
    known = {module_name(path): path for path in SOURCES}
    wrong = []
    for text in (path for path in texts if path.exists()):
        for named in re.findall(r"\bspatialgeo_ros((?:\.\w+)+)", text.read_text()):
            parts = named.strip(".").split(".")
            found = [k for k in range(len(parts) + 1) if ".".join(parts[:k]) in known]
            module = known[".".join(parts[: found[-1]])]
            rest = parts[found[-1] :]
            # A name within a module is its own affair; a folder must have what is named.
            if rest and module.name == "__init__.py" and rest[0] not in module.read_text():
                if rest[0] not in GENERATED:
                    wrong.append(f"{text.relative_to(REPOSITORY)}: spatialgeo_ros{named}")
    assert not wrong


def test_every_source_file_names_its_licence() -> None:
    patterns = ["*.py", "*.msg", "*.srv", "*.action", "*.sh", "*.xml", "*.yaml", "*.toml", "*.rviz"]
    patterns += ["scripts/*", "tools/*", ".ci/*", "CMakeLists.txt", "Makefile", "constraints.txt"]
    files = [path for path in tracked(*patterns) if path.exists()]
    assert len(files) > 20
    lines = "Copyright 2026 The spatialgeo_ros authors", "SPDX-License-Identifier: Apache-2.0"
    bare = [
        str(path.relative_to(REPOSITORY))
        for path in files
        if not all(line in path.read_text()[:500] for line in lines)
    ]
    assert not bare


def declared(tests: bool) -> set[str]:
    """Keys of package.xml that a user gets, with ``tests`` also what only the tests need."""
    root = ElementTree.parse(REPOSITORY / "package.xml").getroot()
    depends = (element for element in root if element.tag.endswith("depend"))
    return {e.text or "" for e in depends if tests or e.tag in {"depend", "exec_depend"}}


@pytest.mark.parametrize("tops", [("spatialgeo_ros", "launch"), ("test",)])
def test_package_xml_declares_every_import(tops: tuple[str, ...]) -> None:
    files = [path for top in tops for path in sorted((REPOSITORY / top).rglob("*.py"))]
    imported = {name.split(".")[0] for path in files for name in imports(path)}
    own = {"spatialgeo_ros", "bench", *(name for p in files for name in (p.stem, p.parent.name))}
    foreign = imported - sys.stdlib_module_names - (own if tops == ("test",) else {PACKAGE.name})
    keys = {ROSDEP_KEYS.get(name, name) for name in foreign - WITHOUT_ROSDEP_KEY}
    assert keys - declared(tests=tops == ("test",)) == set()


def test_pip_declares_what_has_no_rosdep_key() -> None:
    for name in ("constraints.txt", "pyproject.toml"):
        text = (REPOSITORY / name).read_text()
        modules = WITHOUT_ROSDEP_KEY | {"hypothesis", "pytest", "pytest-xdist"}
        if name == "constraints.txt":
            modules -= {"pycocoevalcap"}  # 100 MB of tables, which `make setup` does not bring
        assert not [module for module in modules if module not in text]


def test_versions_agree() -> None:
    root = ElementTree.parse(REPOSITORY / "package.xml").getroot()
    version = root.findtext("version")
    assert f'\nversion = "{version}"\n' in (REPOSITORY / "pyproject.toml").read_text()
    assert pyproject_urls() == package_urls(root)


def package_urls(root: ElementTree.Element) -> set[str]:
    return {element.text or "" for element in root.findall("url")}


def pyproject_urls() -> set[str]:
    text = (REPOSITORY / "pyproject.toml").read_text()
    section = text.split("[project.urls]")[1].split("\n[")[0]
    return set(re.findall(r'^\w+ = "([^"]+)"$', section, re.M))


def interfaces() -> list[Path]:
    return [p for kind in sorted(GENERATED) for p in sorted((REPOSITORY / kind).iterdir())]


@pytest.mark.parametrize("path", interfaces(), ids=lambda path: path.name)
def test_every_interface_field_is_commented(path: Path) -> None:
    lines = path.read_text().splitlines()
    for above, line in zip(["", *lines], lines, strict=False):
        code, mark, comment = line.partition("#")
        # A constant may be plain; a field says what it is, on its line or on the one above.
        if code.strip() and code.strip() != "---" and "=" not in code:
            assert (mark and comment.strip()) or above.startswith("#") or "px" in above, line


# Python enum -> message and prefix of its constants.
def constants(message: type, prefix: str) -> dict[str, int]:
    names = (name for name in dir(type(message)) + dir(message) if name.startswith(prefix))
    return {name.removeprefix(prefix): getattr(message, name) for name in names}


@pytest.fixture(scope="module")
def messages() -> object:
    pytest.importorskip("rclpy", reason="needs ROS 2: run through `make test`")
    return pytest.importorskip("spatialgeo_ros.msg", reason="needs the built interfaces")


def test_error_codes_equal_the_exceptions(messages) -> None:
    raised = {
        errors.code_name(error("")): error.code
        for error in errors.SpatialGeoError.__subclasses__()
        if error.__module__ == errors.__name__
    }
    codes = {name: getattr(messages.ErrorCode, name) for name in (*raised, "OK")}
    assert codes == {**raised, "OK": 0}
    text = (REPOSITORY / "msg" / "ErrorCode.msg").read_text()
    assert text.count("uint16 ") == len(codes)


def test_kinds_equal(messages) -> None:
    from spatialgeo_ros.geometry.distance import Kind

    assert issubclass(Kind, IntEnum)
    assert constants(messages.DistanceEstimate, "KIND_") == {k.name: k.value for k in Kind}


def test_region_types_equal(messages) -> None:
    from spatialgeo_ros.geometry.regions import RegionType

    assert constants(messages.Region, "TYPE_") == {t.name: t.value for t in RegionType}


def test_depth_sources_are_named_alike(messages) -> None:
    from spatialgeo_ros.geometry.pointmap import DepthSource

    sources = set(constants(messages.DistanceEstimate, "SOURCE_"))
    assert sources - {"UNKNOWN", "LANGUAGE_MODEL"} == {
        {"SENSOR": "SENSOR_DEPTH", "MONOCULAR": "MONOCULAR_DEPTH"}.get(s.name, s.name)
        for s in DepthSource
    }


def test_result_types_and_states_equal(messages) -> None:
    from spatialgeo_ros.memory.snapshot import Presence
    from spatialgeo_ros.query.result import ResultType

    assert constants(messages.SpatialAnswer, "TYPE_") == {t.name: t.value for t in ResultType}
    assert constants(messages.SpatialObject, "STATE_") == {p.name: p.value for p in Presence}


def test_results_carry_the_source_image_first(messages) -> None:
    for message in (
        messages.SpatialAnswer,
        messages.DistanceEstimate,
        messages.Keyframe,
        messages.SpatialObject,
        messages.SpatialObjectArray,
    ):
        name, kind = next(iter(message.get_fields_and_field_types().items()))
        assert (name, kind) == ("header", "std_msgs/Header")


def test_of_the_engines_folder_only_its_page_is_tracked() -> None:
    assert [path.name for path in tracked("engines")] == ["README.md"]
    ignored = ["git", "-C", str(REPOSITORY), "check-ignore", "-q", "engines/net.engine"]
    assert subprocess.run(ignored).returncode == 0


def test_what_is_pinned_lies_in_the_declared_ranges() -> None:
    """The tests run with the pins, users with the ranges."""
    requirements = pytest.importorskip("packaging.requirements")
    text = (REPOSITORY / "constraints.txt").read_text()
    pins = dict(re.findall(r"^([a-z0-9_-]+)==([^;\s]+)", text, re.M))
    ranges = re.findall(r'"([a-z0-9_-]+[<>]=?[^"]+)"', (REPOSITORY / "pyproject.toml").read_text())
    ranges = [one for one in map(requirements.Requirement, ranges) if one.name in pins]
    assert {"torch", "transformers", "huggingface_hub"} <= {one.name for one in ranges}
    assert [str(one) for one in ranges if pins[one.name] not in one.specifier] == []

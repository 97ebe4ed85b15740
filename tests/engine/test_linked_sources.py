"""A second checkout must not test the first: real editable installs, a real node, real runs of ralph."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import Repository, spread

PRD = "- [ ] T1 tidy up add\n"
PRODUCT = "def add(a, b):\n    return a + b\n"
TEST = "from demo import add\n\n\ndef test_add():\n    assert add(1, 2) == 3\n"
BREAK = """cat > /dev/null
for file in $(git ls-files '*demo/__init__.py'); do printf 'def add(a, b):\\n    return 0\\n' > $file; done
for file in $(git ls-files '*demo/index.js'); do echo 'module.exports = () => 0' > $file; done
echo did it
"""
SETUPTOOLS = '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
HATCHLING = '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
PROJECT = '[project]\nname = "demo"\nversion = "1.0"\n'
SRC = '[tool.setuptools.packages.find]\nwhere = ["src"]\n'
LIMIT = 300
PACKAGES = str(Path(pytest.__file__).parents[1])  # pip, pytest and the build backends
Ralph = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with pip, which finds pytest and the build backends of the one that runs this test."""
    return environment(tmp_path_factory.mktemp("made") / "venv")


def environment(folder: Path) -> Path:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "more.pth").write_text(PACKAGES)
    (folder / "bin/pip").write_text(
        f'#!/bin/sh\nexec {folder}/bin/python -m pip --disable-pip-version-check "$@"\n'
    )
    (folder / "bin/pip").chmod(0o755)
    return folder


@pytest.fixture
def venv(made: Path) -> Iterator[Path]:
    yield made
    subprocess.run([made / "bin/pip", "uninstall", "-q", "-y", "demo"], check=True, capture_output=True)


def pip(venv: Path, *words: str, cwd: Path) -> None:
    argv = [str(venv / "bin/pip"), "install", "-q", "--no-deps", "--no-build-isolation", *words]
    done = subprocess.run(argv, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def project(repo: Repository, build: str = SETUPTOOLS + SRC, folder: str = "src", more: str = "") -> None:
    repo.commit({
        f"{folder}/demo/__init__.py": PRODUCT, "tests/test_add.py": TEST, "PRD.md": PRD,
        "pyproject.toml": f"{build}{PROJECT}[tool.pytest.ini_options]\ntestpaths = ['tests']\n{more}",
        ".gitignore": "build/\n*.egg-info/\n__pycache__/\n.venv/\nnode_modules\n",
    }, "the project")  # fmt: skip


@pytest.fixture
def ralph(repo: Repository) -> Ralph:
    def run(*flags: str, how: str = "--isolate", **env: str) -> subprocess.CompletedProcess[str]:
        (repo.path.parent / "agent.sh").write_text(BREAK)
        argv = [sys.executable, "-m", "ralph", "--agent-command", f"sh {repo.path.parent / 'agent.sh'}"]
        argv += [*([how] if how else []), "--max-retries", "0", "--no-split", *flags]
        environ = {**os.environ, **env}
        return subprocess.run(argv, cwd=repo.path, env=environ, capture_output=True, text=True, timeout=LIMIT,
                              check=False)  # fmt: skip

    return run


def gate(venv: Path) -> tuple[str, str]:
    return "--gate", f"{venv}/bin/python -m pytest -q -p no:cacheprovider"


def refused(repo: Repository, done: subprocess.CompletedProcess[str], link: str) -> None:
    """Exit 2, nothing changed, the cure named."""
    assert done.returncode == 2, done.stdout + done.stderr
    assert "loads the sources in" in done.stderr
    assert link in done.stderr
    assert "--setup" in done.stderr
    assert repo.refs() == ["refs/heads/main"]
    assert repo.git("status", "--porcelain") == ""
    assert repo.git("worktree", "list").count("\n") == 0


def started(done: subprocess.CompletedProcess[str], code: int = 1) -> None:
    """It began. Code 1: the gates saw what the agent broke; 0: they load no product."""
    assert done.returncode == code, done.stdout + done.stderr


# ---------------------------------------------------------------- editable installs

INSTALLS = {
    "setuptools, a path file": (SETUPTOOLS + SRC, "src", ()),
    "setuptools, a finder": (SETUPTOOLS + '[tool.setuptools.package-dir]\ndemo = "lib/demo"\n', "lib", ()),
    "setuptools, strict": (SETUPTOOLS + SRC, "src", ("--config-settings", "editable_mode=strict")),
    "hatchling": (HATCHLING, "src", ()),
    "hatchling, exact": (HATCHLING + "[tool.hatch.build]\ndev-mode-exact = true\n", "src", ()),
}


@pytest.mark.parametrize("kind", spread(INSTALLS, daily=8, ci=2))
def test_an_editable_install(repo: Repository, venv: Path, ralph: Ralph, kind: str) -> None:
    build, folder, words = INSTALLS[kind]
    project(repo, build, folder)
    pip(venv, *words, "-e", ".", cwd=repo.path)
    before = {path: path.read_bytes() for path in venv.rglob("*.pth")}
    refused(repo, ralph(*gate(venv)), "an editable install in")
    assert {path: path.read_bytes() for path in venv.rglob("*.pth")} == before
    assert repo.read(f"{folder}/demo/__init__.py") == PRODUCT


@pytest.mark.slow
@pytest.mark.parametrize("how", ["--parallel", "--isolate", ""])
def test_the_environment_that_is_active(repo: Repository, venv: Path, ralph: Ralph, how: str) -> None:
    """With one agent in the checkout the gates test the checkout: nothing to refuse."""
    project(repo)
    pip(venv, "-e", ".", cwd=repo.path)
    active = {"VIRTUAL_ENV": str(venv), "PATH": f"{venv}/bin:{os.environ['PATH']}"}
    done = ralph("--gate", "python -m pytest -q", how=how, **active)
    if how:
        refused(repo, done, "an editable install in")
    else:
        started(done)


@pytest.mark.long
def test_each_gate_in_a_clean_checkout(repo: Repository, venv: Path, ralph: Ralph) -> None:
    project(repo)
    pip(venv, "-e", ".", cwd=repo.path)
    repo.commit({"ralph.toml": 'gates-in = "clean"\n'})
    refused(repo, ralph(*gate(venv), how=""), "an editable install in")


@pytest.mark.slow
def test_a_fresh_audit_is_no_proof(repo: Repository, venv: Path, ralph: Ralph) -> None:
    project(repo)
    pip(venv, "-e", ".", cwd=repo.path)
    repo.commit({"ralph.toml": f'gate = ["{gate(venv)[1]}"]\n', "PRD.md": PRD.replace("[ ]", "[x]")})
    argv = [sys.executable, "-m", "ralph", "audit", "--run-gates"]
    done = subprocess.run([*argv, "--fresh"], cwd=repo.path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "loads the sources in" in done.stderr
    here = subprocess.run(argv, cwd=repo.path, capture_output=True, text=True, check=False)
    assert "loads the sources in" not in here.stderr


@pytest.mark.long
def test_a_link_that_came_while_the_run_went_on(repo: Repository, venv: Path, ralph: Ralph) -> None:
    """The fresh checkout at the end is no proof then."""
    project(repo)
    pip(venv, ".", cwd=repo.path)
    (packages,) = venv.glob("lib/python*/site-packages")
    link = f"rm -r {packages}/demo; echo {repo.path}/src > {packages}/demo.pth"
    try:
        done = ralph(*gate(venv), "--agent-command", f"sh -c '{link}; echo new > new.txt; echo did it'")
    finally:
        (packages / "demo.pth").unlink()
    assert "It could not be tried: in a second checkout, " in done.stdout
    assert "loads the sources in" in done.stdout


# ---------------------------------------------------------------- honest cases


@pytest.mark.parametrize(
    "command", spread(["true", "{python} -m compileall -q src", "{python} -m ruff check src"], daily=3)
)
def test_a_gate_that_loads_no_product(repo: Repository, venv: Path, ralph: Ralph, command: str) -> None:
    project(repo)
    pip(venv, "-e", ".", cwd=repo.path)
    done = ralph("--gate", command.format(python=venv / "bin/python"))
    started(done, 0)
    assert repo.git("show", "ralph/PRD:PRD.md") == "- [x] T1 tidy up add"


@pytest.mark.slow
def test_own_sources_come_first(repo: Repository, venv: Path, ralph: Ralph) -> None:
    project(repo, more="pythonpath = ['src']\n")
    pip(venv, "-e", ".", cwd=repo.path)
    started(ralph(*gate(venv)))


@pytest.mark.long
def test_no_install(repo: Repository, venv: Path, ralph: Ralph) -> None:
    project(repo, more="pythonpath = ['src']\n")
    done = ralph(*gate(venv))
    started(done)
    assert "Links lead" not in done.stdout


@pytest.mark.slow
def test_an_install_that_is_no_link(repo: Repository, venv: Path, ralph: Ralph) -> None:
    project(repo)
    pip(venv, ".", cwd=repo.path)
    done = ralph(*gate(venv))
    started(done, 0)  # the package that is installed is what its gate tests; no checkout is
    assert "Links lead" not in done.stdout


# ---------------------------------------------------------------- the set-up

INSIDE = (
    f"{sys.executable} -m venv --without-pip .venv && "
    f"echo {PACKAGES} > $(echo .venv/lib/python*/site-packages)/more.pth && "
    ".venv/bin/python -m pip install -q --no-deps --no-build-isolation -e ."
)


@pytest.mark.long
def test_a_set_up_that_installs_inside(repo: Repository, venv: Path, ralph: Ralph) -> None:
    """Also while the environment that is active has a link here."""
    project(repo)
    pip(venv, "-e", ".", cwd=repo.path)
    active = {"VIRTUAL_ENV": str(venv), "PATH": f"{venv}/bin:{os.environ['PATH']}"}
    done = ralph("--setup", INSIDE, "--gate", ".venv/bin/python -m pytest -q", **active)
    started(done)
    assert "--setup changed" not in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("editable", [["-e"], []], ids=["editable", "not editable"])
@pytest.mark.parametrize("linked", [True, False], ids=["over a link", "new"])
def test_a_set_up_never_installs_elsewhere(
    repo: Repository, venv: Path, ralph: Ralph, editable: list[str], linked: bool
) -> None:
    project(repo)
    if linked:
        pip(venv, "-e", ".", cwd=repo.path)
    (packages,) = venv.glob("lib/python*/site-packages")
    before = {
        str(path.relative_to(packages)): path.read_bytes() for path in packages.rglob("*demo*") if path.is_file()
    }
    names = {path.name for path in packages.iterdir()}
    setup = f"pip install -q --no-deps --no-build-isolation {' '.join([*editable, '.'])}"
    active = {"VIRTUAL_ENV": str(venv), "PATH": f"{venv}/bin:{os.environ['PATH']}"}
    done = ralph("--setup", setup, "--gate", "true", **active)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "--setup installed the worktree into" in done.stderr
    after = {
        str(path.relative_to(packages)): path.read_bytes() for path in packages.rglob("*demo*") if path.is_file()
    }
    assert (after, {path.name for path in packages.iterdir()} - {"__pycache__"}) == (
        before,
        names - {"__pycache__"},
    )
    assert repo.refs() == ["refs/heads/main"]


@pytest.mark.long
def test_a_set_up_that_adds_a_package_for_all_is_told(
    repo: Repository, venv: Path, ralph: Ralph, tmp_path: Path
) -> None:
    """Not refused: what is shared may be meant so, and it holds no sources of a worktree."""
    project(repo)
    other = tmp_path / "other"
    (other / "src/demo").mkdir(parents=True)
    (other / "src/demo/__init__.py").write_text(PRODUCT)
    (other / "pyproject.toml").write_text(SETUPTOOLS + SRC + PROJECT)
    active = {"VIRTUAL_ENV": str(venv), "PATH": f"{venv}/bin:{os.environ['PATH']}"}
    done = ralph("--setup", f"pip install -q --no-deps --no-build-isolation {other}", "--gate", "true", **active)
    started(done, 0)
    assert "--setup changed" in done.stdout


# ---------------------------------------------------------------- other links


def test_python_path(repo: Repository, venv: Path, ralph: Ralph) -> None:
    project(repo)
    refused(repo, ralph(*gate(venv), PYTHONPATH=f"{repo.path}/src"), "PYTHONPATH")
    assert ralph(*gate(venv), PYTHONPATH="src").returncode == 1  # each checkout's own


@pytest.mark.slow
def test_an_absolute_path_in_the_gate_and_in_a_tracked_file(repo: Repository, venv: Path, ralph: Ralph) -> None:
    project(repo)
    command = f"PYTHONPATH={repo.path}/src {gate(venv)[1]}"
    refused(repo, ralph("--gate", command), "the gate")
    repo.commit({"tests/conftest.py": f"import sys\n\nsys.path.insert(0, '{repo.path}/src')\n"})
    refused(repo, ralph(*gate(venv)), "tests/conftest.py")


needs_node = pytest.mark.skipif(not shutil.which("node"), reason="node is not installed")
NODE_TEST = "if (require('@shop/sum')(1, 2) !== 3) process.exit(1)\n"


def workspace(repo: Repository) -> None:
    """As npm leaves it: a package of the workspace is a link."""
    repo.commit({
        "packages/demo/index.js": "module.exports = (a, b) => a + b\n", "test.js": NODE_TEST, "PRD.md": PRD,
        "packages/demo/package.json": '{"name": "@shop/sum", "version": "1.0.0", "main": "index.js"}',
        "package.json": '{"name": "shop", "private": true, "workspaces": ["packages/*"]}',
        ".gitignore": "node_modules\n", "ralph.toml": '[worktree]\nlink = ["node_modules"]\n',
    }, "the project")  # fmt: skip
    (repo.path / "node_modules/@shop").mkdir(parents=True)
    (repo.path / "node_modules/@shop/sum").symlink_to("../../packages/demo")
    (repo.path / "node_modules/left").mkdir()
    (repo.path / "node_modules/left/index.js").write_text("module.exports = 1\n")


@needs_node
def test_a_linked_package_of_a_workspace(repo: Repository, ralph: Ralph) -> None:
    workspace(repo)
    refused(repo, ralph("--gate", "node test.js"), "node_modules/@shop/sum")


@needs_node
@pytest.mark.parametrize(
    "command", ["node --check test.js", """node -e 'require("left"); require("./packages/demo")'"""]
)
def test_a_gate_that_does_not_load_the_link(repo: Repository, ralph: Ralph, command: str) -> None:
    workspace(repo)
    started(ralph("--gate", command), 0)


@needs_node
def test_node_path(repo: Repository, ralph: Ralph) -> None:
    workspace(repo)
    repo.commit({"ralph.toml": "", "test.js": NODE_TEST.replace("@shop/sum", "demo")})
    refused(repo, ralph("--gate", "node test.js", NODE_PATH=f"{repo.path}/packages"), "NODE_PATH")


@pytest.mark.long
@needs_node
def test_a_workspace_that_the_set_up_links(repo: Repository, ralph: Ralph) -> None:
    workspace(repo)
    repo.commit({"ralph.toml": ""})
    setup = "mkdir -p node_modules/@shop && ln -sfn ../../packages/demo node_modules/@shop/sum"
    done = ralph("--setup", setup, "--gate", "node test.js")
    started(done)
    assert "Links lead" not in done.stdout

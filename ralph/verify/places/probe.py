"""Python code for the project's interpreters, from version 3.6 on: report the import paths.

The same code, as `sitecustomize` in a folder of PYTHONPATH, redirects the links for one run.
"""

PROBE = '''
import json, os, sys

def tables():
    """The tables of editable finders: setuptools', editables', scikit-build's."""
    for finder in list(sys.meta_path):
        module = sys.modules.get(getattr(finder, "__module__", "") or "")
        for owner in (finder, module):
            for value in list(getattr(owner, "__dict__", {}).values()):
                if isinstance(value, dict) and value is not sys.modules:
                    yield value

def known():
    found = [os.path.abspath(path) for path in sys.path if isinstance(path, str) and path]
    for table in tables():
        for value in list(table.values()):
            for path in value if isinstance(value, (list, tuple)) else [value]:
                if isinstance(path, str) and os.path.isabs(path):
                    found.append(path)
    return found
'''

RETARGET = """
def moved(path):
    if isinstance(path, list):
        return [moved(one) for one in path]
    if not isinstance(path, str) or not os.path.isabs(path):
        return path
    real = os.path.realpath(path)
    parts = real.split(os.sep)
    if "site-packages" in parts or "dist-packages" in parts:
        return path
    if any(real == to or real.startswith(to + os.sep) for to in KEEP):
        return path
    if real == ROOT or real.startswith(ROOT + os.sep):
        return COPY + real[len(ROOT):]
    return path

def retarget():
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [moved(path) for path in sys.path if os.path.abspath(path) != here]
    for table in tables():
        for key, value in list(table.items()):
            if moved(value) != value:
                table[key] = moved(value)
    sys.path_importer_cache.clear()

retarget()
this = sys.modules.pop("sitecustomize", None)
try:
    import sitecustomize
except ImportError:
    sys.modules["sitecustomize"] = this
"""


def sitecustomize(root: str, copy: str, keep: tuple[str, ...]) -> str:
    """Return a module that makes an interpreter import from the copy what it would import from the root."""
    return f"{PROBE}\nROOT, COPY, KEEP = {root!r}, {copy!r}, {keep!r}\n{RETARGET}"

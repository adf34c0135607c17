"""The entities that docs/guides/sagas.md builds, as modules, for tests that have them live among others."""

import re
import sys
from pathlib import Path
from types import ModuleType

PAGE = Path(__file__).parents[2] / "docs" / "guides" / "sagas.md"
BLOCK = re.compile(r"^```python file=(\w+)\.py\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def _module(name: str) -> ModuleType:
    code = dict(BLOCK.findall(PAGE.read_text(encoding="utf-8")))[name]
    module = sys.modules[name] = ModuleType(name)
    exec(compile(code, f"{PAGE}:{name}.py", "exec"), vars(module))
    return module


shop = _module("shop")
checkout = _module("checkout")

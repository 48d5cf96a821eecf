"""One section of the bench in a process of its own: `python -m tests.bench.section NAME RESULT_FILE`.

Its figures do not depend on what ran before, and a section that hangs can be ended from outside.
"""

import sys
from importlib import import_module
from pathlib import Path

import django

from tests.bench import report


def main() -> None:
    name, result = sys.argv[1:3]
    django.setup()
    figures = import_module(f"tests.bench.{name}").run()
    Path(result).write_text(report.to_json(figures))


if __name__ == "__main__":
    main()

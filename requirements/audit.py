"""`make audit`: known vulnerabilities of what is locked, and a CycloneDX list of it in var/.

The tools live in an environment of their own, so that they never constrain the product's. Where the advisory service
cannot be reached, that is said and the rest is done; `--strict` makes it an error. A known vulnerability always is one.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
HERE = ROOT / "requirements"
TOOLS = ROOT / ".venv-audit"
VAR = ROOT / "var"
LOCKS = ("production", "s3", "development")


def main() -> int:
    VAR.mkdir(exist_ok=True)
    install_tools()
    for lock in LOCKS:
        write_sbom(lock)
    found = checked = 0
    reports = [(f"requirements/{lock}.txt", python_report(lock)) for lock in LOCKS]
    reports += [(str(path.relative_to(ROOT)), npm_report(path.parent)) for path in npm_locks()]
    for name, vulnerabilities in reports:
        if vulnerabilities is None:
            print(f"{name}: NOT CHECKED, the advisory service did not answer")
            continue
        checked += 1
        found += len(vulnerabilities)
        print(f"{name}: {len(vulnerabilities) or 'no'} known vulnerabilities")
        print("".join(f"  {line}\n" for line in vulnerabilities), end="")
    if checked < len(reports):
        print("Run it again where the advisory services of the package registries can be reached.")
    return 1 if found or (checked < len(reports) and "--strict" in sys.argv) else 0


def install_tools() -> None:
    lock, stamp = HERE / "audit.txt", TOOLS / ".installed"
    if stamp.exists() and stamp.stat().st_mtime >= lock.stat().st_mtime:
        return
    subprocess.run([os.environ.get("PYTHON", sys.executable), "-m", "venv", str(TOOLS)], check=True)
    pip = [str(TOOLS / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--require-hashes", "-r", str(lock)], check=True)
    stamp.touch()


def write_sbom(lock: str) -> None:
    """Write var/sbom-<lock>.json (CycloneDX 1.6), the same bytes for the same lock."""
    target = VAR / f"sbom-{lock}.json"
    command = [str(TOOLS / "bin" / "cyclonedx-py"), "requirements", "--pyproject", str(ROOT / "pyproject.toml")]
    command += ["--sv", "1.6", "--of", "JSON", "--output-reproducible", "-o", str(target), str(HERE / f"{lock}.txt")]
    subprocess.run(command, check=True, env={**os.environ, "PYTHONWARNINGS": "ignore"})
    components = json.loads(target.read_text()).get("components", [])
    print(f"{target.relative_to(ROOT)}: {len(components)} components")


def python_report(lock: str) -> list[str] | None:
    """One line per known vulnerability; None where nothing could be asked."""
    command = [str(TOOLS / "bin" / "pip-audit"), "--requirement", str(HERE / f"{lock}.txt"), "--require-hashes"]
    command += ["--disable-pip", "--format", "json", "--progress-spinner", "off", "--timeout", "10"]
    for service in ("pypi", "osv"):
        done = subprocess.run([*command, "--vulnerability-service", service], capture_output=True, text=True)
        try:
            packages = json.loads(done.stdout)["dependencies"]
        except (json.JSONDecodeError, KeyError):
            continue
        asked = [package for package in packages if "skip_reason" not in package]
        if len(asked) * 2 > len(packages):  # a mirror without advisories says "not found" to everything
            return [describe(package, flaw) for package in asked for flaw in package["vulns"]]
    return None


def describe(package: dict[str, Any], flaw: dict[str, Any]) -> str:
    fixed = ", ".join(flaw.get("fix_versions") or []) or "no release yet"
    return f"{package['name']} {package['version']}: {flaw['id']}, fixed in {fixed}"


def npm_locks() -> list[Path]:
    done = subprocess.run(["git", "ls-files", "*package-lock.json"], cwd=ROOT, capture_output=True, text=True)
    return [ROOT / line for line in done.stdout.splitlines()]


def npm_report(folder: Path) -> list[str] | None:
    try:
        done = subprocess.run(
            ["npm", "audit", "--json", "--package-lock-only"], cwd=folder, capture_output=True, text=True, timeout=120
        )
        flaws = json.loads(done.stdout)["vulnerabilities"]
    except (OSError, subprocess.TimeoutExpired, json.JSONDecodeError, KeyError):
        return None
    return [f"{name}: {flaw['severity']}, {flaw['range']}" for name, flaw in flaws.items()]


if __name__ == "__main__":
    sys.exit(main())

"""The sessions of CI: ``nox`` without arguments runs every default session from top to bottom.

The last ones take long and are run by hand, before a release:
``nox -s lowest newest stress fuzz mutants soak batch_kills clocks policies bench web js``.
``nox -s tests-3.12 -- tests/unit/protocol/test_sse.py -k bom`` runs one session, with arguments for pytest;
``nox -r`` keeps the environments of the last run and is much faster.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Generator, Sequence
from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"  # `requires=`
nox.options.default_venv_backend = "virtualenv"
nox.options.download_python = "never"
# Each machine tests the Pythons that it has. Nox would make a missing one an error where CI is set.
nox.options.error_on_missing_interpreters = False

PYPROJECT = nox.project.load_toml("pyproject.toml")
PYTHONS = nox.project.python_versions(PYPROJECT)
EXTRAS = ",".join(PYPROJECT["project"]["optional-dependencies"])
DIST = Path(".nox", "dist")

# Coverage is measured on one Python, because later ones number lines and branches differently; without it there is no
# result. 3.11 cannot give one: it reports no "call" to a tracer when a coroutine continues because one that it awaits
# has caught a cancellation, and coverage then loses lines that did run.
MEASURED = "3.13"

#: The tests of an extra, which run in an environment of that extra and of the group ``tests-core`` only.
#: What is left out needs other packages, which would bring what the extra may lack.
WIRE = [
    "tests/conformance/test_recordings.py",
    "tests/faults/test_faults.py",
    "tests/exits/test_exits.py",
]
PARTS = {
    "none": ["tests/unit/test_imports.py", "-k=not kimi_async.web", "tests/unit/reply", *WIRE],
    "aiohttp": [
        "--engine=aiohttp",
        *WIRE,
        "tests/unit/http/test_aiohttp.py",
        "tests/unit/http/test_streams.py",
    ],
    "cli": ["tests/cli", "--ignore=tests/cli/test_fake.py"],
    "httpx2": ["--engine=httpx2", *WIRE],
    "testing": ["tests/unit/testing", "--ignore=tests/unit/testing/test_pytest_plugin.py"],
    "web": [
        "tests/unit/web",
        "--ignore=tests/unit/web/test_bodies.py",
        # Starlette's middleware before 1.8 leaves this generator of its own open.
        "-W=ignore:Async generator 'starlette.requests.Request.stream':ResourceWarning",
    ],
}
ONLY_FOR_ONE = ("--engine", "-k")
PARTS["all"] = [
    *dict.fromkeys(
        word for part in PARTS.values() for word in part if not word.startswith(ONLY_FOR_ONE)
    )
]

#: Tests in two processes, for pytest-xdist. Coverage does not follow them there, so the measured Python has one.
#: ``-- -n0`` after the name of a session runs them in one.
TWO = ("-n2", "--dist=worksteal")


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and formatting."""
    session.install(*nox.project.dependency_groups(PYPROJECT, "lint"))
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")


@nox.session
def build(session: nox.Session) -> None:
    """Build the sdist and, from it, the wheel; see that neither lacks a file and that an index would take them."""
    session.install("build", "twine", *PYPROJECT["build-system"]["requires"])
    shutil.rmtree(DIST, ignore_errors=True)
    session.run("python", "-m", "build", "--no-isolation", "--outdir", str(DIST))
    missing = files_in("kimi_async", "tests", "benchmarks", "docs", "examples") - sdist_names()
    missing |= {path.name for path in Path().glob("*.md")} - sdist_names()
    missing |= files_in("kimi_async") - wheel_names()
    if missing:
        session.error(f"left out of the sdist or the wheel: {sorted(missing)}")
    session.run("twine", "check", "--strict", *map(str, DIST.iterdir()))


@nox.session(requires=["build"])
def types(session: nox.Session) -> None:
    """Check the types of the code and of the examples with mypy and basedpyright."""
    install(session, "typing")
    # Left to itself, basedpyright would look into a .venv of the checkout.
    python = str(Path(session.bin, "python").absolute())
    for checker in (["mypy"], ["basedpyright", f"--pythonpath={python}"]):
        session.run(*checker)
        session.run("python", "tests/support/page_types.py", *checker, env=SCRIPT)


@nox.session(python=PYTHONS, requires=["build"])
def tests(session: nox.Session) -> None:
    """Test the installed wheel on each Python; measure coverage on one."""
    install(session, "tests")
    if session.python == MEASURED:
        session.run("coverage", "erase")
        session.run("coverage", "run", "-m", "pytest", *session.posargs)
    else:
        session.run("python", "-m", "pytest", *TWO, *session.posargs)


@nox.session(requires=["build"])
@nox.parametrize("engine", ["httpx", "aiohttp", "httpx2"])
def engines(session: nox.Session, engine: str) -> None:
    """Test the wire, the faults and the exits over the other HTTP engines."""
    install(session, "tests")
    session.run("python", "-m", "pytest", f"--engine={engine}", *TWO, *WIRE, *session.posargs)


@nox.session(requires=["build"])
def guard(session: nox.Session) -> None:
    """See that a chunk costs no more than it should, and that this would be seen."""
    install(session)
    script = ["python", "benchmarks/guard.py"]
    session.run(*script, env=SCRIPT)
    session.run(*script, "--slowed", "--patience=5", env=SCRIPT, success_codes=[1])


# The Python that measured reads the data too: their compilers number lines differently.
@nox.session(python=MEASURED)
def coverage(session: nox.Session) -> None:
    """Demand that the tests ran every line and branch of the package and of themselves."""
    session.install("coverage")
    session.run("coverage", "combine")
    session.run("coverage", "report")


@nox.session(requires=["build"])
def docs(session: nox.Session) -> None:
    """Build the documentation, warnings being errors, and run its examples."""
    install(session, "docs", "tests")
    strict = ["--fail-on-warning", "--nitpicky", "--keep-going", "--fresh-env"]
    session.run("sphinx-build", "--quiet", *strict, "docs", str(Path(".nox", "html")))
    session.run("python", "-m", "pytest", "tests/docs/test_docs.py")


@nox.session(default=False, python=PYTHONS[0], requires=["build"])
@nox.parametrize("extra", list(PARTS))
def lowest(session: nox.Session, extra: str) -> None:
    """Test each extra by itself, and all, with the lowest versions that pyproject.toml allows."""
    session.install("uv")
    pins = Path(session.create_tmp(), "pins.txt")
    chosen = "--all-extras" if extra == "all" else f"--extra={extra}"
    session.run(
        *("uv", "pip", "compile", "--quiet", "--no-deps", "--resolution=lowest-direct"),
        *([] if extra == "none" else [chosen]),
        *(f"--python={Path(session.bin, 'python')}", f"--output-file={pins}", "pyproject.toml"),
    )
    test_part(session, extra, f"--constraint={pins}")


@nox.session(default=False, python=MEASURED, requires=["build"])
@nox.parametrize("extra", list(PARTS))
def newest(session: nox.Session, extra: str) -> None:
    """Test each extra by itself, and all, with the newest versions."""
    test_part(session, extra, "--upgrade", "--upgrade-strategy=eager")


def test_part(session: nox.Session, extra: str, *options: str) -> None:
    """Install the wheel with one extra, or all, by *options* of pip, and run the tests of that extra."""
    extras = {"none": "", "all": EXTRAS}.get(extra, extra)
    install(session, "tests-core", extras=extras, options=options)
    session.run("python", "-m", "pytest", *PARTS[extra], *session.posargs)


@nox.session(default=False, requires=["build"])
def stress(session: nox.Session) -> None:
    """Take every exit 20 times, in random order, and run the tests marked `stress`; on a busy machine."""
    install(session, "tests")
    session.install("pytest-randomly")
    with busy_processors():
        session.run("python", "-m", "pytest", "-m", "stress")
        for _ in range(20):
            session.run("python", "-m", "pytest", "tests/exits/test_exits.py")


@contextlib.contextmanager
def busy_processors() -> Generator[None]:
    """Keep every processor busy with something else."""
    spin = [sys.executable, "-c", "while True: pass"]
    with contextlib.ExitStack() as stack:
        for _ in range(os.cpu_count() or 1):
            stack.callback(stack.enter_context(subprocess.Popen(spin)).kill)
        yield


#: A script finds the modules beside it, which are never the package.
SCRIPT = {"PYTHONSAFEPATH": ""}


@nox.session(default=False, requires=["build"])
def mutants(session: nox.Session) -> None:
    """Take each protection out, one at a time, and see a test fail."""
    install(session, "tests")
    session.run("python", "tests/mutants/mutants.py", *session.posargs, env=SCRIPT)


@nox.session(default=False, requires=["build"])
def soak(session: nox.Session) -> None:
    """Run many short streams against a server that misbehaves: ``nox -s soak -- 100000 --save``."""
    install(session)
    session.run("python", "benchmarks/soak.py", *session.posargs, env=SCRIPT)


@nox.session(default=False, requires=["build"])
def batch_kills(session: nox.Session) -> None:
    """Answer 10,000 requests with a batch that is killed ten times: ``nox -s batch_kills -- --save``."""
    install(session)
    session.run("python", "benchmarks/batch_kills.py", *session.posargs, env=SCRIPT)


@nox.session(default=False, requires=["build"])
def clocks(session: nox.Session) -> None:
    """Measure the cost of the timeouts for each chunk, over each HTTP engine: ``nox -s clocks -- --save``."""
    install(session)
    session.run("python", "benchmarks/clocks.py", *session.posargs, env=SCRIPT)


@nox.session(default=False, requires=["build"])
def policies(session: nox.Session) -> None:
    """Measure the cost of retries, limits and hedges for a reply that needs none: ``nox -s policies -- --save``."""
    install(session, "tests")
    session.run("python", "benchmarks/policies.py", *session.posargs, env=SCRIPT)


@nox.session(default=False, requires=["build"])
def bench(session: nox.Session) -> None:
    """Compare with other SDKs and with bare HTTP clients: ``nox -s bench -- --full --save``."""
    install(session, "bench")
    pythons: list[str] = []
    (wheel,) = DIST.glob("*.whl")
    for group in ("bench-core", "bench-kosong", "bench-litellm"):
        folder = Path(session.create_tmp(), group)
        python = str(folder / ("Scripts" if sys.platform == "win32" else "bin") / "python")
        session.run("python", "-m", "venv", "--clear", str(folder))
        packages = [*nox.project.dependency_groups(PYPROJECT, group)]
        if group == "bench-core":
            packages.append(str(wheel))
        session.run(python, "-m", "pip", "install", "--quiet", *packages, external=True)
        pythons.append(f"--python={group}={python}")
    session.run("python", "benchmarks/compare.py", *pythons, *session.posargs, env=SCRIPT)


@nox.session(default=False, requires=["build"])
def fuzz(session: nox.Session) -> None:
    """Search for JSON texts that are read wrongly while they grow; arguments are those of libFuzzer."""
    install(session, "tests")
    # It has no wheel for every machine; without it the search is by Hypothesis.
    session.install("atheris", success_codes=[0, 1])
    session.run(
        "python", "tests/support/fuzz_partial_json.py", *(session.posargs or ["-max_total_time=60"])
    )


@nox.session(default=False, requires=["build"])
def web(session: nox.Session) -> None:
    """Measure an event on its way through a web response, and 500 responses at once: ``nox -s web -- --save``."""
    install(session, "tests")
    session.run("python", "benchmarks/web.py", *session.posargs, env=SCRIPT)


@nox.session(default=False, requires=["build"])
def js(session: nox.Session) -> None:
    """Read web responses with the npm packages ai and openai, and with Chromium; needs node, npm and Chromium.

    ``CHROMIUM`` is the path of the browser, if it is not /usr/bin/chromium; ``SCREENSHOTS`` a folder for pictures.
    """
    install(session, "tests")
    python = str(Path(session.bin, "python").absolute())
    with session.chdir("tests/js"):
        session.run("npm", "ci", "--no-audit", "--no-fund", external=True)
        session.run("node", "--test", *session.posargs, external=True, env={"PYTHON": python})


def install(
    session: nox.Session, *groups: str, extras: str = EXTRAS, options: Sequence[str] = ()
) -> None:
    """Install the wheel with *extras* and the dependency *groups*, and keep the checkout out."""
    (wheel,) = DIST.glob("*.whl")
    packages = nox.project.dependency_groups(PYPROJECT, *groups)
    session.install(*options, f"{wheel}[{extras}]" if extras else str(wheel), *packages)
    # pip keeps a package of the same version, so a kept environment (`nox -r`) would test an old wheel.
    session.install("--force-reinstall", "--no-deps", str(wheel))
    session.env["PYTHONSAFEPATH"] = "1"


def files_in(*folders: str) -> set[str]:
    """Return the files of the checkout below *folders*, without those that tools put there."""
    paths = (path for folder in folders for path in Path(folder).rglob("*") if path.is_file())
    left = re.compile(r"/(__pycache__|node_modules|\.)")
    return {path.as_posix() for path in paths if not left.search(path.as_posix())}


def sdist_names() -> set[str]:
    """Return the names in the sdist, without the folder that holds them all."""
    (sdist,) = DIST.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        return {name.partition("/")[2] for name in archive.getnames()}


def wheel_names() -> set[str]:
    """Return the names in the wheel."""
    (wheel,) = DIST.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())

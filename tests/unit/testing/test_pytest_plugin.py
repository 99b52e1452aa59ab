"""The pytest plugin: each kind of test that a user writes, run by a pytest of its own."""

from __future__ import annotations

import importlib.metadata
import socket
import sys
from importlib.util import find_spec
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest
from anyio.from_thread import start_blocking_portal

from kimi_async.testing import FakeProvider, Reply
from kimi_async.testing._watch import is_local, watching

if TYPE_CHECKING:
    from pathlib import Path

pytest_plugins = ["pytester"]

#: A checkout that is not installed has no entry points.
_INSTALLED = importlib.metadata.entry_points(group="pytest11", name="kimi_async")
PLUGIN = [] if _INSTALLED else ["-p", "kimi_async.testing._pytest"]

#: pytest-asyncio warns of a setting that these projects do not have.
QUIET = "ignore::pytest.PytestDeprecationWarning"

HEAD = """
import asyncio
import socket

import pytest

import kimi_async as kimi
from kimi_async.testing import ErrorReply, Reply
"""


def outcome(pytester: pytest.Pytester, test: str, *options: str) -> tuple[dict[str, int], str]:
    """Run a module of tests; return the numbers of its outcomes, and the output."""
    pytester.makepyfile(HEAD + dedent(test))
    result = pytester.runpytest("-p", "no:cacheprovider", "-W", QUIET, *PLUGIN, *options)
    outcomes = result.parseoutcomes()
    # One of pytest's own: plugins that another test has imported cannot be rewritten any more.
    outcomes.pop("warnings", None)
    outcomes.pop("warning", None)
    return outcomes, result.stdout.str()


@pytest.mark.parametrize("fixture", ["fake_kimi", "fake_transport"])
@pytest.mark.parametrize(
    ("mark", "options"),
    [
        ("@pytest.mark.anyio", []),
        ("@pytest.mark.asyncio", ["-p", "pytest_asyncio", "-p", "no:anyio"]),
    ],
    ids=["anyio", "pytest-asyncio"],
)
def test_an_async_test(
    pytester: pytest.Pytester, fixture: str, mark: str, options: list[str]
) -> None:
    test = f"""
    {mark}
    async def test_it({fixture}):
        {fixture}.add(Reply("Hello"))
        async with kimi.AsyncKimi({fixture}.acedata(), model="kimi-k3") as client:
            assert "{fixture}" == "fake_kimi" or client.providers
        if "{fixture}" == "fake_transport":
            client = {fixture}.client()
        else:
            client = kimi.AsyncKimi({fixture}.acedata(), model="kimi-k3")
        assert (await client.chat("Hi")).text == "Hello"
        await client.aclose()
    """
    outcomes, shown = outcome(pytester, test, *options)
    assert outcomes == ({"passed": 2} if mark.endswith("anyio") else {"passed": 1}), shown


def test_a_test_that_is_not_async(pytester: pytest.Pytester) -> None:
    test = """
    def test_it(fake_kimi):
        fake_kimi.add(Reply("Hello"))
        client = kimi.AsyncKimi(fake_kimi.acedata(), model="kimi-k3")
        assert asyncio.run(client.chat("Hi")).text == "Hello"
        assert len(fake_kimi.requests) == 1
    """
    outcomes, shown = outcome(pytester, test)
    assert outcomes == {"passed": 1}, shown


def test_a_client_for_the_whole_module(pytester: pytest.Pytester) -> None:
    test = """
    import pytest_asyncio
    from kimi_async.testing import FakeTransport

    pytestmark = pytest.mark.asyncio(loop_scope="module")
    transport = FakeTransport(lambda request: Reply("Hello"))

    @pytest_asyncio.fixture(scope="module", loop_scope="module")
    async def client():
        async with transport.client() as client:
            yield client

    async def test_one(client, fake_transport):
        assert (await client.chat("Hi")).text == "Hello"

    async def test_two(client, fake_transport):
        assert (await client.chat("Hi")).text == "Hello"
    """
    outcomes, shown = outcome(pytester, test, "-p", "pytest_asyncio", "-p", "no:anyio")
    assert outcomes == {"passed": 2}, shown


ONE_LOOP = """
import pytest

@pytest.fixture
def anyio_backend():
    return "asyncio"
"""

LEFT = """
@pytest.mark.anyio
async def test_it({fixture}):
    {fixture}.add(Reply("Hello, you!", cut_after=2, end="stall"))
    client = {client}
    stream = client.stream("Hi")
    await anext(stream)  # here
    {rest}
"""
CLIENTS = {
    "fake_kimi": 'kimi.AsyncKimi(fake_kimi.acedata(), model="kimi-k3")',
    "fake_transport": "fake_transport.client()",
}


@pytest.mark.parametrize("fixture", CLIENTS)
@pytest.mark.parametrize("rest", ["del stream", "globals()['kept'] = stream"])
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_stream_that_is_left_open_fails_the_test(
    pytester: pytest.Pytester, fixture: str, rest: str, backend: str
) -> None:
    test = LEFT.format(fixture=fixture, client=CLIENTS[fixture], rest=rest)
    pytester.makeconftest(ONE_LOOP.replace("asyncio", backend))
    outcomes, shown = outcome(pytester, test, "-W", "ignore::ResourceWarning")
    assert outcomes["errors"] == 1, shown
    (module,) = pytester.path.glob("test_*.py")
    here = 1 + module.read_text().splitlines().index("    await anext(stream)  # here")
    place = f"{module}:{here}, in test_it"
    assert f"a stream was never closed; it was opened at {place}" in shown


def test_a_stream_that_is_closed_is_fine(pytester: pytest.Pytester) -> None:
    rest = "await stream.aclose()"
    test = LEFT.format(fixture="fake_kimi", client=CLIENTS["fake_kimi"], rest=rest)
    outcomes, shown = outcome(pytester, test)
    assert outcomes == {"passed": 2}, shown


ON_UVLOOP = pytest.mark.skipif(find_spec("uvloop") is None, reason="uvloop is not made for it")
CALLS = [
    'on_loop("create_connection", asyncio.Protocol, "192.0.2.1", 80)',
    'on_loop("getaddrinfo", "kimi.invalid", 80)',
    'kimi.AsyncKimi(kimi.AceDataCloud("k"), model="kimi-k3").chat("Hi")',
]


@pytest.mark.parametrize(
    "reach",
    [
        'socket.create_connection(("192.0.2.1", 80), 0.1)',
        'socket.create_connection(("kimi.invalid", 80), 0.1)',
        'socket.getaddrinfo(b"kimi.invalid", 80)',
        'socket.gethostbyname("kimi.invalid")',
        'socket.gethostbyname_ex("kimi.invalid")',
        'with socket.socket(type=socket.SOCK_DGRAM) as s: s.sendto(b"", ("192.0.2.1", 53))',
        'asyncio.run(on_loop("create_connection", asyncio.Protocol, "192.0.2.1", 80))',
        'with socket.socket() as sock: sock.connect_ex(("192.0.2.1", 80))',
        'with socket.socket(socket.AF_INET6) as sock: sock.connect(("2001:db8::1%1", 80))',
        'asyncio.run(kimi.AsyncKimi(kimi.AceDataCloud("k"), model="kimi-k3").chat("Hi"))',
        *(pytest.param(f"import uvloop; uvloop.run({call})", marks=ON_UVLOOP) for call in CALLS),
    ],
)
def test_reaching_the_network_fails_the_test(pytester: pytest.Pytester, reach: str) -> None:
    test = f"""
    async def on_loop(name, *arguments):
        await getattr(asyncio.get_running_loop(), name)(*arguments)

    def test_it(fake_transport):
        try:
            {reach}
        except (OSError, kimi.KimiError):
            pass
    """
    outcomes, shown = outcome(pytester, test)
    assert outcomes == {"passed": 1, "errors": 1}, shown
    assert "the test tried to reach " in shown


def test_servers_on_this_machine_are_no_network(pytester: pytest.Pytester, tmp_path: Path) -> None:
    test = f"""
    def test_it(fake_transport):
        for host in ("127.0.0.1", "localhost", "LocalHost"):
            with socket.create_server(("127.0.0.1", 0)) as server:
                socket.create_connection((host, server.getsockname()[1])).close()
        socket.getaddrinfo(None, 80)
        with socket.socket() as sock, socket.socket(type=socket.SOCK_DGRAM) as sender:
            for address in (5, ("127.0.0.1",)):
                with pytest.raises(TypeError):
                    sock.connect(address)
            sender.connect(("127.0.0.1", 9))
            with pytest.raises(TypeError):
                sender.sendto(b"")
        with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
            server.bind("{tmp_path}/s")
            server.listen()
            client.connect("{tmp_path}/s")
    """
    outcomes, shown = outcome(pytester, test)
    assert outcomes == {"passed": 1}, shown


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.2", True),
        ("::1", True),
        ("::1%lo", True),
        ("::", True),
        ("0.0.0.0", True),
        (b"localhost", True),
        (bytearray(b"127.0.0.1"), True),
        ("app.localhost.", True),
        ("ip6-localhost", True),
        (None, True),
        (5, True),
        ("localhost.example.com", False),
        ("127.0.0.1.example.com", False),
        ("10.0.0.1", False),
        ("fe80::1%eth0", False),
        (b"kimi.test", False),
    ],
)
def test_the_names_of_this_machine(host: object, expected: bool) -> None:
    assert is_local(host) is expected


def test_a_machine_without_uvloop_is_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", None)
    with watching() as watch, pytest.raises(ConnectionRefusedError, match=r"192\.0\.2\.1:80"):
        socket.create_connection(("192.0.2.1", 80))
    assert watch.problems() == [
        "the test tried to reach 192.0.2.1:80; only servers on this machine are allowed"
    ]


@pytest.mark.parametrize("fixture", CLIENTS)
def test_a_script_that_is_used_up_fails_the_test(pytester: pytest.Pytester, fixture: str) -> None:
    test = f"""
    def test_it({fixture}):
        client = {CLIENTS[fixture]}
        try:
            asyncio.run(client.chat("Hi"))
        except BaseException as error:
            assert not isinstance(error, Exception) or isinstance(error, kimi.BadRequestError)
    """
    outcomes, shown = outcome(pytester, test)
    assert outcomes == {"passed": 1, "errors": 1}, shown
    assert "ScriptError" in shown


RECORDED = """
@pytest.mark.anyio
async def test_it(kimi_recording):
    provider = kimi.AceDataCloud("test-key", {url!r})
    client = kimi.AsyncKimi(provider, model="kimi-k3", http_client=kimi_recording)
    assert (await client.chat("Hi")).text == "Hello"
    {rest}
    await kimi_recording.aclose()
"""


def test_a_recording_is_written_and_replayed(pytester: pytest.Pytester) -> None:
    with start_blocking_portal() as portal:
        with portal.wrap_async_context_manager(FakeProvider([Reply("Hello")])) as fake:
            test = RECORDED.format(url=f"{fake.url}/acedata/kimi", rest="")
            pytester.makeconftest(ONE_LOOP)
            outcomes, shown = outcome(pytester, test)
            assert outcomes == {"errors": 1}, shown
            assert "write it with pytest --kimi-record" in shown
            outcomes, shown = outcome(pytester, test, "--kimi-record")
            assert outcomes == {"passed": 1}, shown
    (module,) = pytester.path.glob("test_*.py")
    assert (pytester.path / "recordings" / module.stem / "test_it.kimi").exists()
    outcomes, shown = outcome(pytester, test)  # the server is gone
    assert outcomes == {"passed": 1}, shown


def test_a_request_that_was_not_recorded_fails_the_test(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(ONE_LOOP)
    module = pytester.makepyfile(
        HEAD + RECORDED.format(url="https://kimi.test/acedata/kimi", rest="")
    )
    folder = pytester.path / "recordings" / module.stem
    folder.mkdir(parents=True)
    (folder / "test_it.kimi").write_text('{"kimi_recording": 1}\n')
    # In a process of its own: the error is no Exception, and would end the event loop of this one.
    # Without Hypothesis, whose late import can fail on CPython 3.11 ("AST constructor recursion depth mismatch").
    options = ["-p", "no:cacheprovider", "-p", "no:hypothesispytest", "-W", QUIET, *PLUGIN]
    result = pytester.runpytest_subprocess(*options)
    assert result.parseoutcomes() == {"failed": 1, "errors": 1}
    result.stdout.fnmatch_lines(["*every exchange of the recording was used*"])


def test_each_test_has_a_recording_of_its_own(pytester: pytest.Pytester) -> None:
    test = """
    class TestIt:
        @pytest.mark.parametrize("part", ["a/b", "a-b", "../c"])
        def test_a(self, kimi_recording, part):
            pass

    def test_a(kimi_recording):
        pass
    """
    outcomes, shown = outcome(pytester, test, "--kimi-record")
    assert outcomes == {"passed": 4}, shown
    (folder,) = (pytester.path / "recordings").iterdir()
    assert {path.name for path in folder.iterdir()} == {
        "TestIt.test_a[a%2Fb].kimi",
        "TestIt.test_a[a-b].kimi",
        "TestIt.test_a[..%2Fc].kimi",
        "test_a.kimi",
    }
    outcomes, shown = outcome(pytester, test)
    assert outcomes == {"passed": 4}, shown


def test_under_xdist(pytester: pytest.Pytester) -> None:
    test = """
    @pytest.mark.parametrize("number", range(4))
    def test_it(fake_kimi, number):
        fake_kimi.add(Reply("Hello"))
        client = kimi.AsyncKimi(fake_kimi.acedata(), model="kimi-k3")
        assert asyncio.run(client.chat("Hi")).text == "Hello"
    """
    outcomes, shown = outcome(pytester, test, "-p", "xdist", "-n", "2")
    assert outcomes == {"passed": 4}, shown

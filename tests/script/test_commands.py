"""exec.run and http.get."""

from __future__ import annotations

import http.server
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sloth_ci.core.errors import UsageError
from sloth_ci.engine.process import MAX_OUTPUT, clean_environment
from sloth_ci.script.run import Script
from support.luahost import MemoryHost


def test_a_command_and_what_it_says(run: Callable[..., Script], host: MemoryHost) -> None:
    run("""
        local r = exec.run("echo out; echo err >&2; exit 7")
        print(r.success, r.code, r.stdout .. r.stderr, r.timed_out, r.truncated)
        r = exec.run({"printf", "%s|", "a b", "$HOME", "*"})
        print(r.success, r.code, r.stdout)
        print(exec.run("kill -9 $$").code, exec.run("cat").stdout == "", exec.run("printf '\\\\377'").stdout)
    """)
    assert host.lines == ["false\t7\tout\nerr\n\tfalse\tfalse", "true\t0\ta b|$HOME|*|", "137\ttrue\t\ufffd"]


def test_where_a_command_runs(run: Callable[..., Script], host: MemoryHost, tmp_path: Path) -> None:
    (tmp_path / "with space").mkdir()
    run("print(exec.run('pwd').stdout, exec.run('pwd', {workdir = 'with space'}).stdout)")
    assert host.lines == [f"{tmp_path}\n\t{tmp_path}/with space\n"]


def test_no_secret_reaches_a_command(run: Callable[..., Script], host: MemoryHost) -> None:
    environ = {
        "PATH": "/usr/bin:/bin", "HOME": "/h", "CI": "1", "GITHUB_TOKEN": "x", "npm_config_token": "x", "AWS_SECRET_ACCESS_KEY": "x",
        "DB_PASSWORD": "x", "PGPASSWD": "x", "MY_CREDENTIALS": "x", "CI_JOB_JWT": "x", "SSH_KEY": "x",
    }  # fmt: skip
    assert set(clean_environment(environ)) == {"PATH", "HOME", "CI"}
    run("print((exec.run('env | grep =x').stdout))", environ=environ)
    run("print(exec.run('echo $GREETING $CI', {env = {GREETING = 'hello'}}).stdout)", environ=environ)
    assert host.lines == ["", "hello 1\n"]


def test_output_is_limited(run: Callable[..., Script], host: MemoryHost) -> None:
    run("""
        local r = exec.run("head -c 5000000 /dev/zero | tr '\\\\0' x; echo end >&2")
        print(#r.stdout, r.stderr, r.truncated, r.success)
    """)
    assert host.lines == [f"{MAX_OUTPUT}\tend\n\ttrue\ttrue"]


def test_a_command_that_takes_too_long(run: Callable[..., Script], host: MemoryHost, tmp_path: Path) -> None:
    started = time.monotonic()
    run("""
        local r = exec.run("echo started; trap '' TERM; (sleep 50 & echo $! > child; wait)", {timeout = "1s"})
        print(r.success, r.code, r.timed_out, r.stdout)
    """)
    assert host.lines == ["false\t124\ttrue\tstarted\n"]
    assert time.monotonic() - started < 20
    child = Path(f"/proc/{(tmp_path / 'child').read_text().strip()}/stat")
    assert not child.exists() or child.read_text().split()[2] == "Z"


def test_a_grandchild_that_stays_does_not_keep_us(run: Callable[..., Script], host: MemoryHost) -> None:
    started = time.monotonic()
    run("print(exec.run('sleep 5 & echo done').stdout)")
    assert host.lines == ["done\n"]
    assert time.monotonic() - started < 4


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("exec.run()", "exec.run: argument 1 is a command or a list of its words, got nil"),
        ("exec.run({})", "exec.run: argument 1 is a command or a list"),
        ("exec.run({1})", "exec.run: argument 1 is a command or a list"),
        ("exec.run({'no-such-program-anywhere'})", "exec.run: cannot run 'no-such-program-anywhere': No such file"),
        ("exec.run('true', {workdir = 'nope'})", "exec.run: there is no folder"),
        ("exec.run('true', {time = 5})", "exec.run: unknown key 'time'"),
        ("exec.run('true', {timeout = 'soon'})", "exec.run: 'timeout': expected a duration"),
        ("exec.run('true\\0false')", "exec.run: cannot run"),
        ("exec.run('true', 5)", "exec.run: "),
    ],
)
def test_what_cannot_be_run(run: Callable[..., Script], source: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        run(source)
    assert caught.value.message.startswith(f"sloth.lua:1: {message}")


def test_a_rehearsal_runs_only_what_reads(run: Callable[..., Script], host: MemoryHost, tmp_path: Path) -> None:
    host.rehearsal = True
    run("""
        local r = exec.run("touch made")
        print(r.success, r.code, r.stdout, exec.run({"echo", "yes"}, {read_only = true}).stdout)
        sleep("10m")
    """)
    assert not (tmp_path / "made").exists()
    assert host.lines == ["rehearsal: would run touch made", "true\t0\t\tyes\n"]


class Server(http.server.BaseHTTPRequestHandler):
    """Answers by path."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = self.path.encode()
        headers = {}
        status = 200
        if self.path.startswith("/to/"):
            status = 302
            headers["Location"] = self.path.removeprefix("/to/")
        elif self.path == "/headers":
            body = repr(sorted((k.lower(), v) for k, v in self.headers.items())).encode()
        elif self.path == "/missing":
            status = 404
        elif self.path == "/large":
            body = b"x" * (9 * 1024 * 1024)
        elif self.path.startswith("/slow"):
            self.server.released.wait(20)  # type: ignore[attr-defined]  # set by the fixture
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), "X-Thing": "1", **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        try:
            self.wfile.write(body)
        except OSError:
            self.close_connection = True

    def log_message(self, format: str, *_: object) -> None:
        """Be quiet."""


@pytest.fixture
def server() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        server.released = threading.Event()  # type: ignore[attr-defined]  # for /slow
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.released.set()  # type: ignore[attr-defined]  # for /slow
        server.shutdown()
        thread.join()


def test_an_answer(run: Callable[..., Script], host: MemoryHost, server: str) -> None:
    run(f"""
        local r = http.get("{server}/x?y=1")
        print(r.status, r.body, r.headers["x-thing"])
        print(http.get("{server}/missing").status, http.get("{server}/to//there").body)
    """)
    assert host.lines == ["200\t/x?y=1\t1", "404\t/there"]


def test_private_headers_stay_with_their_host(run: Callable[..., Script], host: MemoryHost, server: str) -> None:
    elsewhere = server.replace("127.0.0.1", "localhost")
    run(f"""
        local o = {{headers = {{Authorization = "secret", ["PRIVATE-TOKEN"] = "hidden", Accept = "x/y"}}}}
        print(http.get("{server}/headers", o).body)
        print(http.get("{server}/to//headers", o).body)
        print(http.get("{server}/to/{elsewhere}/headers", o).body)
    """)
    assert "secret" in host.lines[0]
    assert "hidden" in host.lines[0]
    assert "secret" in host.lines[1]
    assert "x/y" in host.lines[2]
    assert "secret" not in host.lines[2]
    assert "hidden" not in host.lines[2]


@pytest.mark.parametrize(
    ("url", "options", "message"),
    [
        ("file:///etc/passwd", "", "http.get: file:///etc/passwd: only http and https"),
        ("SERVER/to/file:///etc/passwd", "", "is not allowed"),
        ("SERVER/to/ftp://127.0.0.1/x", "", "only http and https"),
        ("SERVER/to//to//to//to//to//to//to//to//to//to//to//to//x", "", "http.get: SERVER/to/"),
        ("SERVER/large", "", "http.get: SERVER/large: the answer is larger than 8 MiB"),
        ("SERVER/slow?password=abc", ", {timeout = '100ms'}", "http.get: SERVER/slow: timed out"),
        ("http://user:hunter2@127.0.0.1:1/x", "", "http.get: http://127.0.0.1:1/x: "),
        ("nonsense", "", "http.get: ://nonsense: only http and https"),
        ("http://[", "", "http.get: this is no URL"),
        ("SERVER/x y", "", "http.get: SERVER/x y: "),
        ("SERVER/x", ", {header = {}}", "http.get: unknown key 'header'"),
        ("SERVER/x", ", {headers = {['A\\n'] = 'b'}}", "http.get: SERVER/x: Invalid header name"),
    ],
)  # fmt: skip
def test_what_cannot_be_got(run: Callable[..., Script], server: str, url: str, options: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        run(f"http.get('{url.replace('SERVER', server)}'{options})")
    assert message.replace("SERVER", server) in caught.value.message
    assert "hunter2" not in caught.value.message
    assert "abc" not in caught.value.message


def test_an_http_error_can_be_caught(run: Callable[..., Script], host: MemoryHost) -> None:
    run("print(pcall(http.get, 'http://127.0.0.1:1/'))")
    assert host.lines[0].startswith("false\thttp.get: http://127.0.0.1:1/: ")


def test_a_wrong_type_is_said(run: Callable[..., Script]) -> None:
    with pytest.raises(UsageError, match="is a string, got nil"):
        run("http.get()")

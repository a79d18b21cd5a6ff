# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The command line of ``spatialgeo view``, and the viewers and files that it opens."""

from __future__ import annotations

import importlib.util
import os
import socket
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from launched import run_python

from spatialgeo_ros.viewer import program

# A file may not grow beyond a megabyte: what a full disk does, without one.
FILL = """
import os, resource, sys
from pathlib import Path
import rerun as rr
from spatialgeo_ros.viewer import sink
from spatialgeo_ros.viewer.entries import Entry
sink._FILE_FLUSH, sink._PATIENCE = 0.0, 1.0
out = sink.file(Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, resource.RLIM_INFINITY))
try:
    for number in range(20):
        data = os.urandom(500_000)
        image = rr.EncodedImage(contents=data, media_type="image/png")
        out.log(number + 1, [Entry("/a", (image,))])
        out.flush()
except sink.RecordingFailedError as error:
    print(error, flush=True)
    out.close()
    os._exit(0)
"""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--web", "--save", "a.rrd"], "not allowed with"),
        (["--jpeg-quality", "0"], "1 to 100"),
        (["--image-width", "-1"], "--image-width"),
        (["--image-rate", "nan"], "finite"),
        (["--cloud-rate", "-2"], "not negative"),
        (["--cloud-points", "0"], "--cloud-points"),
        (["--web-port", "70000"], "--web-port"),
    ],
)
def test_wrong_options_are_named(arguments: list[str], words: str, capsys: Any) -> None:
    with pytest.raises(SystemExit) as ended:
        program.parse(arguments)
    assert ended.value.code == 2
    assert words in capsys.readouterr().err


def test_what_is_not_installed_is_named_with_the_command(monkeypatch: Any, capsys: Any) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "rerun" else real(name, *a)
    )
    assert program.main(["--save", "never.rrd"]) == 2
    assert capsys.readouterr().err == (
        "spatialgeo view: rerun-sdk is not installed: pip install 'spatialgeo_ros[view]' "
        "(or rerun-sdk)\n"
    )
    assert not Path("never.rrd").exists()


class TestSinks:
    @pytest.fixture(autouse=True)
    def sdk(self) -> Any:
        pytest.importorskip("rerun", reason="the extra 'view' is not installed (rerun-sdk)")
        from spatialgeo_ros.viewer import sink

        return sink

    def test_a_window_needs_a_display(self, sdk: Any, monkeypatch: Any) -> None:
        for name in ("DISPLAY", "WAYLAND_DISPLAY"):
            monkeypatch.delenv(name, raising=False)
        with pytest.raises(sdk.BadRequestError, match="no display: use --web"):
            sdk.window("1GB")

    def test_a_disk_that_fills_up_is_named(self, sdk: Any, tmp_path: Path) -> None:
        script = tmp_path / "fill.py"
        script.write_text(FILL)
        assert run_python(str(script), str(tmp_path / "a.rrd")).startswith(
            "the recording cannot be written any more; is the disk full?"
        )

    @pytest.mark.parametrize("path", ["missing/folder/a.rrd", ".", "/dev/full"])
    def test_a_file_that_cannot_be_written_is_named(
        self, sdk: Any, tmp_path: Path, path: str
    ) -> None:
        with pytest.raises(sdk.FileAccessError, match="cannot write"):
            sdk.file(tmp_path / path)

    @pytest.mark.parametrize("url", ["nowhere.invalid:1", "rerun+http://127.0.0.1:1/proxy"])
    def test_a_viewer_that_is_not_there_is_named(self, sdk: Any, url: str) -> None:
        with pytest.raises(sdk.BadRequestError, match="no Rerun viewer listens at"):
            sdk.other_viewer(url)

    @pytest.mark.parametrize("url", ["", "http://", "rerun+http://:99999/proxy", "a:b"])
    def test_an_address_that_is_none_is_named(self, sdk: Any, url: str) -> None:
        with pytest.raises(sdk.BadRequestError, match="is no address of a viewer"):
            sdk.other_viewer(url)

    def test_a_file_has_what_was_logged_with_stamp_and_time(self, sdk: Any, tmp_path: Path) -> None:
        import rerun as rr
        from rerun_file import RerunFile

        from spatialgeo_ros.viewer.entries import Entry
        from spatialgeo_ros.viewer.layout import layout

        path = tmp_path / "a.rrd"
        sink = sdk.file(path)
        sink.show(layout(["front"], frozenset(), True), now=True)
        before = time.time_ns()
        sink.log(1_700_000_000_123_456_789, [Entry("/a", (rr.Scalars([1.5]),))])
        sink.log(0, [Entry("/a", (rr.Scalars([2.5]),))])
        sink.close()
        written = RerunFile(path)
        first, second = sorted(written.rows("/a"), key=lambda one: one["Scalars:scalars"])
        assert first["stamp"] == 1_700_000_000_123_456_789
        assert second.get("stamp") is None, "a zero stamp is no time"
        assert before <= first["log_time"] <= second["log_time"] <= time.time_ns()
        assert written.blueprints == 1

    def test_a_web_page_is_served_and_its_end_is_noticed(
        self, sdk: Any, tmp_path: Path, monkeypatch: Any
    ) -> None:
        import rerun as rr

        from spatialgeo_ros.viewer.entries import Entry

        # The viewer keeps settings at home, and asks about usage data at its first start.
        monkeypatch.setenv("HOME", str(tmp_path))
        port, web_port = sdk.free_port(), sdk.free_port()
        sink, address = sdk.web_page("100MB", "127.0.0.1", port, web_port)
        try:
            assert address.startswith(f"http://127.0.0.1:{web_port}/?url=")
            with urllib.request.urlopen(address, timeout=30) as page:
                assert b"<html" in page.read().lower()
            sink.log(5, [Entry("/a", (rr.Scalars([1.0]),))])
            sink.flush()
            with pytest.raises(sdk.BadRequestError, match=f"port {port} is taken"):
                sdk.web_page("100MB", "127.0.0.1", port, sdk.free_port())
            for number in (port, web_port):  # this machine alone, not all of its addresses
                with socket.socket() as other:
                    other.bind(("127.0.0.2", number))
            other_sink = sdk.other_viewer(f"127.0.0.1:{port}")
            other_sink.flush()
            sink._viewer._process.kill()
            sink._viewer._process.wait()
            with pytest.raises(sdk.ViewerGoneError, match="closed"):
                sink.flush()
            with pytest.raises(sdk.ViewerGoneError, match="handed over"):
                end = time.monotonic() + 30.0
                while time.monotonic() < end:  # what was sent last may be on its way still
                    other_sink.log(6, [Entry("/a", (rr.Scalars([1.0]),))])
                    other_sink.flush()
            other_sink.close()
        finally:
            sink.close()

    @pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
    def test_other_pages_do_not_read_the_data(
        self, sdk: Any, tmp_path: Path, monkeypatch: Any, host: str
    ) -> None:
        monkeypatch.setenv("HOME", str(tmp_path))
        port, web_port = sdk.free_port(), sdk.free_port()
        sink, address = sdk.web_page("100MB", host, port, web_port)
        try:
            assert f":{web_port}/?url=rerun" in address

            def allowed(origin: str) -> bool:
                request = urllib.request.Request(
                    f"http://127.0.0.1:{port}/",
                    method="OPTIONS",
                    headers={"Origin": origin, "Access-Control-Request-Method": "POST"},
                )
                with urllib.request.urlopen(request, timeout=30) as answer:
                    return answer.headers.get("Access-Control-Allow-Origin") == origin

            assert allowed(f"http://127.0.0.1:{web_port}")
            assert allowed(f"http://robot:{web_port}") == (host == "0.0.0.0")
            assert not allowed("http://elsewhere.example")
        finally:
            sink.close()

    def test_a_host_that_is_none_is_named(self, sdk: Any) -> None:
        with pytest.raises(sdk.BadRequestError, match=r"no\.such\.host\.invalid is no IPv4"):
            sdk.web_page("1GB", "no.such.host.invalid", sdk.free_port(), sdk.free_port())

    def test_a_viewer_ends_with_the_recording(
        self, sdk: Any, tmp_path: Path, monkeypatch: Any
    ) -> None:
        monkeypatch.setenv("HOME", str(tmp_path))
        port = sdk.free_port()
        sink, _ = sdk.web_page("100MB", "127.0.0.1", port, sdk.free_port())
        assert sdk.listens("127.0.0.1", port)
        sink.close()
        assert not sdk.listens("127.0.0.1", port)

    def test_a_viewer_that_is_not_installed_is_named(self, sdk: Any, monkeypatch: Any) -> None:
        monkeypatch.setenv("RERUN_CLI_PATH", "/nowhere/rerun")
        with pytest.raises(sdk.BadRequestError, match="/nowhere/rerun holds no Rerun viewer"):
            sdk.Viewer([], "127.0.0.1", sdk.free_port())

    def test_a_viewer_that_does_not_start_says_why(self, sdk: Any) -> None:
        with pytest.raises(sdk.BadRequestError, match="did not start: .*--no-such-option"):
            sdk.Viewer(["--no-such-option"], "127.0.0.1", sdk.free_port())
        assert os.environ.get("RERUN_APP_ONLY") is None

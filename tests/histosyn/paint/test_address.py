"""The running server: what it answers, whom it refuses, how it ends."""

import base64
import gzip
import http.client
import io
import json
import os
import re
import signal
import socket
import stat
import struct
import threading
import time
import zlib
from dataclasses import replace
from urllib.parse import urlsplit

import numpy as np
import pytest
from disks import small_disk
from launching import HISTOSYN, environment, started, wait_until
from painting import GENERATOR, random_model, serving, stripes
from PIL import Image
from tissue import SCHEMA

from histosyn.config.networks import GeneratorConfig
from histosyn.labels.label_map import label_png_bytes, load_schema
from launch.cli import main

RAW = "application/octet-stream"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return random_model(tmp_path_factory.mktemp("model") / "model")


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    return tmp_path_factory.mktemp("paint") / "sitting"


@pytest.fixture(scope="module")
def server(model, session):
    with serving(model, "--out", session, "--host-name", "hub.example.org") as running:
        yield running


def painting(labels=None, seeds="0", **headers):
    """Body and headers of a painting."""
    labels = stripes(16, 24) if labels is None else labels
    height, width = labels.shape
    found = {
        "Content-Type": RAW,
        "X-Histosyn-Size": f"{width}x{height}",
        "X-Histosyn-Seeds": seeds,
        "X-Histosyn-Client": "test",
    }
    return {"body": labels.tobytes() + bytes(labels.size), **found, **headers}


def fill(disk):
    with (disk / "ballast").open("wb", buffering=0) as file, pytest.raises(OSError):
        while True:
            file.write(bytes(512))


def events(answer):
    status, headers, body = answer
    assert status == 200, body
    assert headers["Content-Type"] == "application/x-ndjson"
    return [json.loads(line) for line in body.splitlines()]


def complaint(answer, status):
    assert answer[0] == status, answer[2]
    return json.loads(answer[2])["error"]


def test_the_page_says_where_it_is_and_how_to_get_there(server):
    told = "".join(server.output)
    port = urlsplit(server.url).port
    assert f"ssh -N -L {port}:127.0.0.1:{port} " in told
    status, headers, body = server.ask("", token=False)
    assert status == 200 and b"<title>histosyn paint</title>" in body
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert headers["Cache-Control"] == "no-store"
    assert b"://" not in body, "nothing comes from elsewhere"


def test_the_same_painting_gives_the_same_bytes_and_a_seed_others(server):
    first, second, other = (
        events(server.ask("api/synthesize", **painting(seeds=seeds)))[-1]
        for seeds in ("0", "0", "1")
    )
    assert first["png"] == second["png"] != other["png"]
    with Image.open(io.BytesIO(base64.b64decode(first["png"]))) as image:
        assert image.size == (24, 16)
        assert json.loads(image.text["histosyn"])["painted"] == {
            "seeds": [], "areas": None, "areas_sha256": None
        }  # fmt: skip


def test_names_are_made_fit_and_never_used_twice(server, session):
    names = [
        json.loads(server.ask("api/save", **painting(X_Histosyn_Name=name))[2])["name"]
        for name in ("gland", "gland", "..%2F..%2Fetc%2Fpasswd", "", "a%00b")
    ]
    assert names == ["gland-001", "gland-002", "etc-passwd-001", "painting-001", "a-b-001"]
    assert sorted(path.stem for path in (session / "tiles").glob("*.png")) == sorted(names)
    assert sorted(path.stem for path in (session / "labels").glob("*.png")) == sorted(names)
    lines = (session / "tiles" / "manifest.jsonl").read_text().splitlines()
    assert sorted(json.loads(line)["file"] for line in lines) == sorted(f"{n}.png" for n in names)


def test_what_is_saved_can_be_packed(server, session, tmp_path):
    server.ask("api/save", **painting(stripes(64, 64)))
    out = tmp_path / "packed"
    main(["pack", str(session / "tiles"), str(session / "labels"), str(out),
          "--schema", "prostate-3", "--tile-size", "16"])  # fmt: skip
    assert (out / "train" / "dataset.json").exists()


@pytest.mark.parametrize("token", ["", "wrong", "ö"])
@pytest.mark.parametrize("path", ["api/model", "api/synthesize", "api/save", "api/nothing"])
def test_without_the_token_nothing_is_answered(server, path, token):
    headers = {"X-Histosyn-Token": token.encode("latin-1").decode("latin-1")}
    assert "token" in complaint(server.ask(path, token=False, **headers), 403)


@pytest.mark.parametrize(
    ("headers", "status", "message"),
    [
        ({"Host": "evil.example.org"}, 421, "not known by this name"),
        ({"Host": ""}, 400, "must be one name"),
        ({"Host": "[bad"}, 400, "must be one name"),
        ({"Host": "somebody@localhost"}, 400, "must be one name"),
        ({"Host": "somebody:secret@127.0.0.1:80"}, 400, "must be one name"),
        ({"Host": "127.0.0.1:80:80"}, 400, "must be one name"),
        ({"Host": "127.0.0.1/api"}, 400, "must be one name"),
        ({"Host": "127.0.0.1, evil.example.org"}, 400, "must be one name"),
        ({"Origin": "http://["}, 400, "no origin that is an address"),
        ({"Origin": "http://[bad]:x"}, 400, "no origin that is an address"),
        ({"Origin": "\xff"}, 403, "another site"),
        ({"Origin": "http://evil.example.org"}, 403, "another site"),
        ({"Origin": "null"}, 403, "another site"),
        ({"Origin": "http://localhost:1"}, 403, "another site"),
        ({"Sec_Fetch_Site": "cross-site"}, 403, "another site"),
    ],
)
def test_other_names_and_other_sites_are_refused(server, headers, status, message):
    assert message in complaint(server.ask("api/model", **headers), status)
    assert server.ask("", **headers)[0] == status


def test_a_link_leads_to_the_page_but_not_past_the_token(server):
    """From a file, or another page: what a browser sends when somebody follows a link."""
    link = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate"}
    assert server.ask("", token=False, **link)[0] == 200
    assert "another site" in complaint(server.ask("api/model", **link), 403)


def test_a_proxy_that_was_named_is_let_in(server):
    host = {"Host": "hub.example.org", "Origin": "https://hub.example.org"}
    assert server.ask("api/model", **host)[0] == 200
    # Some pass on the host that they call, and some the one that they were called by.
    assert server.ask("api/model", Origin="https://hub.example.org")[0] == 200


@pytest.mark.parametrize(
    ("changes", "status", "message"),
    [
        ({"Content_Type": "text/plain"}, 400, "type 'text/plain'"),
        ({"Content_Encoding": "gzip"}, 415, "not compressed"),
        ({"body": b"short"}, 400, "5 bytes came"),
        ({"X_Histosyn_Size": "1000000x1000000"}, 400, "takes 1 to"),
        ({"X_Histosyn_Seeds": "one"}, 400, "whole number"),
        ({"Content_Length": "99999999999"}, 413, "more than this server takes"),
    ],
)
@pytest.mark.parametrize("path", ["api/synthesize", "api/save", "api/label-png"])
def test_what_is_no_painting_is_refused(server, path, changes, status, message):
    request = {name.replace("-", "_"): value for name, value in painting().items()}
    assert message in complaint(server.ask(path, **request | changes), status)


def test_a_body_without_a_length_is_refused(server):
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=60)
    connection.putrequest("POST", "/api/save")
    connection.putheader("X-Histosyn-Token", server.token)
    connection.putheader("Transfer-Encoding", "chunked")
    connection.endheaders()
    assert connection.getresponse().status == 411
    connection.close()


def test_a_length_does_not_cover_for_a_body_in_chunks(server):
    where = urlsplit(server.url)
    request = (
        f"POST /api/save HTTP/1.1\r\nHost: {where.netloc}\r\nX-Histosyn-Token: {server.token}\r\n"
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    with socket.create_connection((where.hostname, where.port), timeout=60) as connection:
        connection.sendall(request.encode())
        assert connection.recv(4096).split()[1] in (b"400", b"411")


@pytest.mark.parametrize("path", ["%00", "a%00b", "x" * 5000, "%ff%fe", "api/examples/%00"])
def test_odd_addresses_are_answered_in_words_at_most(server, path):
    assert server.ask(path)[0] in (400, 404)


def bomb(width, height):
    """A PNG of a few bytes that claims many pixels."""

    def chunk(kind, data):
        checksum = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(b""))
    return b"\x89PNG\r\n\x1a\n" + header + pixels + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no image"),
        (b"\x89PNG\r\n\x1a\n", "no image"),
        (bomb(60_000, 60_000), "claims more than"),
        (bomb(64, 64), "cannot be read"),
        (label_png_bytes(stripes(), SCHEMA)[:-40], "cannot be read"),
        (gzip.compress(bytes(1000), mtime=0), "no image"),
    ],
)
def test_files_that_are_no_label_maps_are_refused(server, data, message):
    answer = server.ask("api/read", body=data, Content_Type="image/png")
    assert message in complaint(answer, 400)


def test_a_label_map_is_read_as_it_is(server):
    data = label_png_bytes(stripes(), SCHEMA)
    status, _, body = server.ask("api/read", body=data, Content_Type="image/png")
    found = json.loads(body)
    assert (status, found["snapped"]) == (200, [])
    indices = np.frombuffer(base64.b64decode(found["indices"]), np.uint8)
    np.testing.assert_array_equal(indices.reshape(found["height"], found["width"]), stripes())


def test_a_map_of_another_schema_is_told_with_its_value(server):
    data = label_png_bytes(np.full((8, 8), 9, np.uint8), load_schema("colon-10"))
    told = complaint(server.ask("api/read", body=data, Content_Type="image/png"), 400)
    assert "schema prostate-3" in told


@pytest.mark.parametrize("path", ["../server.py", "%2e%2e/server.py", "nothing.js", "api"])
def test_only_the_page_is_served(server, path):
    assert server.ask(path)[0] in (403, 404)


def test_it_answers_still(server):
    """After all that."""
    assert events(server.ask("api/synthesize", **painting()))[-1]["event"] == "done"
    assert server.process.poll() is None
    assert "Traceback" not in "".join(server.output)


BROWSER = """#!/bin/sh
cat /proc/$$/cmdline > "{seen}.part"; cp "${{1#file://}}" "{seen}.page"; mv "{seen}.part" "{seen}"
"""


def test_the_list_of_processes_shows_no_token(tmp_path):
    seen, script = tmp_path / "seen", tmp_path / "browser"
    script.write_text(BROWSER.format(seen=seen))
    script.chmod(0o755)
    variables = {"DISPLAY": ":0", "BROWSER": f"{script} %s", "TMPDIR": str(tmp_path)}
    command = [*HISTOSYN, "paint", str(random_model(tmp_path / "m")), "--port", "0"]
    with started(command, env=environment(**variables)) as process:
        wait_until(seen.exists, process)
        process.send_signal(signal.SIGINT)
        told, _ = process.communicate(timeout=60)
    (token,) = set(re.findall(r"#token=(\S+)", told))
    assert token.encode() not in seen.read_bytes()
    assert token in (tmp_path / "seen.page").read_text()
    assert not list(tmp_path.glob("histosyn-paint-*"))


def test_what_cannot_be_saved_is_told_and_leaves_nothing(tmp_path):
    with (
        small_disk(tmp_path / "disk", "64k") as disk,
        serving(random_model(tmp_path / "m"), "--out", disk / "sitting") as server,
    ):
        assert server.ask("api/save", **painting())[0] == 200
        fill(disk)
        before = sorted(disk.rglob("*.*"))
        told = complaint(server.ask("api/save", **painting()), 507)
        assert "not saved" in told and "No space left" in told
        assert sorted(disk.rglob("*.*")) == before
        (disk / "ballast").unlink()
        assert server.ask("api/save", **painting())[0] == 200
        assert "Traceback" not in "".join(server.output)


def test_a_file_in_the_place_of_the_sitting_is_told(tmp_path):
    (tmp_path / "out").touch()
    with serving(random_model(tmp_path / "m"), "--out", tmp_path / "out") as server:
        assert "warning: " in "".join(server.output)
        told = complaint(server.ask("api/save", **painting()), 507)
        assert "is a file, not a folder" in told
        assert "Traceback" not in "".join(server.output)


def test_slow_work_tells_how_far_it_is(tmp_path):
    slow = GeneratorConfig(base_channels=16, label_channels=64, noise_channels=8)
    labels = np.random.default_rng(0).integers(0, 4, (512, 512)).astype(np.uint8)
    with serving(random_model(tmp_path / "slow", slow)) as server:
        told = events(server.ask("api/synthesize", **painting(labels)))
    assert [event["event"] for event in (told[0], told[-1])] == ["queued", "done"]
    shares = [event["share"] for event in told if event["event"] == "progress"]
    assert shares and shares == sorted(shares) and all(0 < share < 1 for share in shares)
    assert all(event["eta_seconds"] > 0 for event in told if event["event"] == "progress")


def test_ctrl_c_ends_it_in_the_middle_of_work(tmp_path):
    """With a network that takes its time, and somebody who waits."""
    slow = GeneratorConfig(base_channels=32, label_channels=64, noise_channels=8)
    with serving(random_model(tmp_path / "slow", slow)) as server:
        answers = []
        labels = np.random.default_rng(0).integers(0, 4, (1024, 1024)).astype(np.uint8)

        def ask():
            try:
                answers.append(server.ask("api/synthesize", **painting(labels)))
            except OSError as error:
                answers.append(error)

        waiting = threading.Thread(target=ask)
        waiting.start()
        time.sleep(1)
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(timeout=120) == 0
        waiting.join(timeout=60)
    (answer,) = answers
    assert "The server was stopped." in events(answer)[-1]["message"]
    assert "Traceback" not in "".join(server.output), "".join(server.output)


def test_a_model_of_one_size_says_so_and_its_areas_take_a_new_vector(tmp_path):
    """As imported originals: a linear layer on the noise."""
    config = replace(GENERATOR, entry="linear", grid_size=4)
    with serving(random_model(tmp_path / "model", config, (32, 32))) as server:
        facts = json.loads(server.ask("api/model")[2])
        assert facts["fixed_size"] == [32, 32]
        told = events(server.ask("api/synthesize", **painting(stripes(16, 24))))[-1]
        assert told["event"] == "error" and "32x32" in told["message"]
        labels = stripes(32, 32)
        areas = np.zeros_like(labels)
        areas[:8] = 1
        request = painting(labels, seeds="0,1") | {"body": labels.tobytes() + areas.tobytes()}
        plain, rerolled = (
            decoded(events(server.ask("api/synthesize", **asked))[-1])
            for asked in (painting(labels), request)
        )
        reach = facts["margin"]
        assert (plain[:8] != rerolled[:8]).any()
        np.testing.assert_array_equal(plain[8 + reach :], rerolled[8 + reach :])


def decoded(done):
    with Image.open(io.BytesIO(base64.b64decode(done["png"]))) as image:
        return np.asarray(image)


def refused(*arguments):
    with started([*HISTOSYN, "paint", *map(str, arguments), "--no-browser"]) as process:
        _, errors = process.communicate(timeout=120)
        return process.returncode, errors


def test_a_port_in_use_is_told(server, model):
    port = urlsplit(server.url).port
    code, errors = refused(model, "--port", port)
    assert code == 2 and f"Port {port} cannot be used" in errors and "--port 0" in errors


def test_wrong_models_and_choices_are_told(tmp_path, model, capsys):
    (tmp_path / "open").mkdir(mode=0o755)
    for arguments, message in [
        ([tmp_path], "is no model"),
        ([tmp_path / "none"], "is no model"),
        ([], "Give a model, or --demo"),
        ([model, "--demo"], "Give a model, or --demo"),
        ([model, "--labels", tmp_path / "none"], "does not exist"),
        ([model, "--socket", tmp_path / "open" / "s"], "can be entered by others"),
    ]:
        with pytest.raises(SystemExit) as ended:
            main(["paint", *map(str, arguments), "--no-browser", "--port", "0"])
        assert ended.value.code == 2 and message in capsys.readouterr().err


def test_a_unix_socket_is_in_a_folder_of_ones_own(tmp_path, model):
    path = tmp_path / "own" / "paint.sock"
    command = [*HISTOSYN, "paint", str(model), "--socket", str(path), "--no-browser"]
    with started(command, stderr=None) as process:
        told = ""
        while "Ctrl-C" not in told:
            line = process.stdout.readline()
            assert line, told
            told += line
        assert f"ssh -N -L 8765:{path} " in told
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            assert client.recv(15) == b"HTTP/1.1 200 OK"
        code, errors = refused(model, "--socket", path)
        assert code == 2 and "Another server listens" in errors
        os.kill(process.pid, signal.SIGTERM)
        process.wait(timeout=60)
    assert not path.exists()


def test_a_socket_that_a_killed_server_left_is_taken_over(tmp_path):
    from histosyn.paint.address import listen_on_socket

    path = tmp_path / "own" / "s"
    listen_on_socket(path, "t").socket.close()
    assert path.exists()
    with listen_on_socket(path, "t"):
        assert path.exists()
    assert not path.exists()

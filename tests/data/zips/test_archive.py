import io
import os
import stat
import struct
import subprocess
import sys
import tracemalloc
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from hypothesis import given, strategies as st

from fgbgnet.data import archive_limits, list_names, read_bytes, set_archive_limits
from fgbgnet.data.zips.archive import Archive
from fgbgnet.data.zips.directory import Directory
from fgbgnet.data.zips.tail import Extent
from fgbgnet.errors import ArchiveError, FgBgError, InvalidArgumentError, MissingFileError
from tests.data.zips.crafting import Entry, craft


@pytest.fixture
def write(tmp_path):
    def make(*entries, **settings):
        path = tmp_path / "a.zip"
        path.write_bytes(craft(entries, **settings))
        return path

    return make


@pytest.fixture
def limits():
    """Lets a test change the limits, and puts them back."""
    before = archive_limits()
    yield set_archive_limits
    set_archive_limits(before.max_member, before.max_ratio, before.ratio_from)
    for name in ("MAX_MEMBER", "MAX_RATIO", "RATIO_FROM"):
        os.environ.pop(f"FGBGNET_ARCHIVE_{name}", None)


NAMES = st.text("abcé世.- ", min_size=1, max_size=6).filter(lambda name: ".." not in name and name.strip("."))
METHODS = st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])


@given(
    members=st.dictionaries(
        st.lists(NAMES, min_size=1, max_size=3).map("/".join), st.tuples(st.binary(max_size=300), METHODS), max_size=12
    ),
    comment=st.binary(max_size=40),
    prefix=st.binary(max_size=40),
)
def test_reads_what_zipfile_writes(tmp_path_factory, members, comment, prefix):
    path = tmp_path_factory.mktemp("zips") / "a.zip"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, (content, method) in members.items():
            file.writestr(name, content, method)
        file.comment = comment
    path.write_bytes(prefix + buffer.getvalue())
    archive = Archive(str(path))
    assert list(archive.directory) == list(members)
    assert len(archive.directory) == len(members)
    for name, (content, _) in members.items():
        assert archive.read(name) == content
    for folder, inside in archive.folders.items():
        there = zipfile.Path(path, f"{folder}/" if folder else "")
        assert set(inside) == {child.name for child in there.iterdir()}
    parents = {name[:end] for name in members for end, letter in enumerate(name) if letter == "/"}
    assert archive.folders.keys() == parents | {""}


@given(data=st.data())
def test_damage_is_an_error_or_does_no_harm(tmp_path_factory, data):
    members = {f"data/{n}.png": bytes(range(40)) * n for n in range(4)}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", data.draw(METHODS)) as file:
        for name, content in members.items():
            file.writestr(name, content)
    damaged = bytearray(buffer.getvalue())
    if data.draw(st.booleans()):
        del damaged[data.draw(st.integers(0, len(damaged) - 1)) :]
    else:
        damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= data.draw(st.integers(1, 255))
    path = tmp_path_factory.mktemp("zips") / "a.zip"
    path.write_bytes(bytes(damaged))
    for name, content in members.items():
        with suppress(FgBgError):
            assert read_bytes(path / name) == content


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (b"../secret.png", "../secret.png"),
        (b"a/../../secret.png", "a/../../secret.png"),
        (b"a\\..\\..\\secret.png", "secret.png"),
        (b"/etc/passwd", "/etc/passwd"),
        (b"\\\\server\\share", "server"),
        (b"C:/a.png", "C:/a.png"),
        (b"c:a.png", "c:a.png"),
        (b"a\0.png", "does not lie inside"),
        (b"", "does not lie inside"),
    ],
)
def test_names_that_lead_out(write, name, shown):
    path = write(Entry(b"good.png"), Entry(name))
    for read in (lambda: list_names(path), lambda: read_bytes(path / "good.png")):
        with pytest.raises(ArchiveError, match=r"a\.zip cannot be read: its member .* does not lie inside") as caught:
            read()
        assert shown in str(caught.value).replace("\\\\", "\\")


def test_a_path_never_leaves_the_archive(write, tmp_path):
    (tmp_path / "secret.png").write_bytes(b"secret")
    path = write(Entry(b"a/b.png"))
    for member in ("../secret.png", "a/../../secret.png"):
        with pytest.raises(ArchiveError, match="does not lie inside the archive"):
            read_bytes(f"{path}/{member}")
    with pytest.raises(MissingFileError, match="no folder"):
        list_names(f"{path}/a/..")
    assert read_bytes(f"{path}/a//./b.png") == b"content"


def test_encrypted_members(write):
    for flag in (1, 0x41, 0x2001):
        with pytest.raises(ArchiveError, match=r"a\.png is encrypted; archives must not be encrypted"):
            read_bytes(write(Entry(b"a.png", flags=flag)) / "a.png")


@pytest.mark.parametrize(("method", "shown"), [(9, "deflate64"), (14, "LZMA"), (99, "AES"), (77, "method 77")])
def test_unsupported_compression(write, method, shown):
    with pytest.raises(ArchiveError, match=rf"a\.png is packed with {shown}, which is not supported; expected stored"):
        read_bytes(write(Entry(b"a.png", method=method)) / "a.png")


def test_links(write):
    link = Entry(b"a.png", b"../../secret.png", made=3 << 8, attributes=(stat.S_IFLNK | 0o777) << 16)
    with pytest.raises(ArchiveError, match=r"a\.png is a symbolic link; archives must hold the files themselves"):
        read_bytes(write(link) / "a.png")


def test_names_that_stand_twice(write):
    with pytest.raises(ArchiveError, match=r"a\.png stands in it more than once, with different content"):
        read_bytes(write(Entry(b"a.png", b"1"), Entry(b"a.png", b"2")) / "a.png")
    # A cell of a notebook that ran twice: it does not matter which is read.
    path = write(Entry(b"a.png", b"1"), Entry(b"b.png", b"3"), Entry(b"a.png", b"1"))
    assert [read_bytes(path / name) for name in ("a.png", "b.png")] == [b"1", b"3"]
    assert list_names(path) == ["a.png", "b.png"]


def _zeros(size):
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(bytes(size)) + packer.flush()


def test_bombs(write, limits):
    limits(max_member=50_000)
    with pytest.raises(ArchiveError, match=r"a\.png unpacks to 0\.1 MiB; at most .* call set_archive_limits\(max_memb"):
        read_bytes(write(Entry(b"a.png", bytes(100_000), method=8, packed=_zeros(100_000))) / "a.png")
    limits(max_member=200_000, ratio_from=50_000)
    with pytest.raises(ArchiveError, match=r"as a zip bomb does; at most 200 bytes per packed byte"):
        read_bytes(write(Entry(b"a.png", bytes(100_000), method=8, packed=_zeros(100_000))) / "a.png")
    limits(max_ratio=1100)
    assert read_bytes(write(Entry(b"a.png", bytes(100_000), method=8, packed=_zeros(100_000))) / "a.png") == bytes(
        100_000
    )


def test_a_member_that_unpacks_to_more_than_it_declares(write):
    lying = Entry(
        b"a.png", bytes(10_000_000), method=8, packed=_zeros(10_000_000), size=100, crc=zlib.crc32(bytes(100))
    )
    path = write(lying)
    tracemalloc.start()
    with pytest.raises(ArchiveError, match="does not unpack to the 100 bytes"):
        read_bytes(path / "a.png")
    assert tracemalloc.get_traced_memory()[1] < 1_000_000  # no more was unpacked than declared
    tracemalloc.stop()
    empty = Entry(b"a.png", bytes(10_000_000), method=8, packed=_zeros(10_000_000), size=0, crc=0)
    with pytest.raises(ArchiveError, match="does not unpack to the 0 bytes"):
        read_bytes(write(empty) / "a.png")


def test_a_member_that_has_more_bytes_than_it_declares(write, limits):
    path = write(Entry(b"a.png", bytes(10_000_000), size=100, crc=zlib.crc32(bytes(100))))
    tracemalloc.start()
    with pytest.raises(ArchiveError, match=r"a\.png is stored as it is, but should have 10000000 and 100 bytes"):
        read_bytes(path / "a.png")
    limits(max_member=1_000_000)
    path = write(Entry(b"b.png", b"", method=8, packed=bytes(10_000_000), size=100, crc=0))
    tracemalloc.reset_peak()
    with pytest.raises(ArchiveError, match=r"b\.png .*at most"):
        read_bytes(path / "b.png")
    assert tracemalloc.get_traced_memory()[1] < 1_000_000  # none of it was read
    tracemalloc.stop()


def test_members_that_overlap(write):
    # As in the bombs of D. Fifield: many entries, one content.
    bomb = [Entry(b"0.png", bytes(1000))] + [Entry(b"%d.png" % n, bytes(1000), offset=0) for n in range(1, 5)]
    with pytest.raises(ArchiveError, match=r"its member .*png overlaps what follows it; .* a zip bomb"):
        read_bytes(write(*bomb) / "0.png")


def test_broken_directories(write, tmp_path):
    good = craft([Entry(b"a.png"), Entry(b"b.png")])
    directory, end = good.index(b"PK\1\2"), good.index(b"PK\5\6")
    path = tmp_path / "broken.zip"
    cases = {
        "another number of members": (good[: end + 8] + struct.pack("<2H", 7, 7) + good[end + 12 :], "lists 2 members"),
        "a signature": (good[:directory] + b"PK\1\3" + good[directory + 4 :], "does not go on where entry 0"),
        "a length": (good[: directory + 28] + b"\xff\xff" + good[directory + 30 :], "does not go on where entry 0"),
        "its size": (good[: end + 12] + struct.pack("<L", 10**6) + good[end + 16 :], "should have 1000000 bytes"),
        "its offset": (good[: end + 16] + struct.pack("<L", 10**6) + good[end + 20 :], "at offset 1000000"),
        "truncated": (good[: directory + 20], "its directory, which stands at the end of a zip archive, is missing"),
        "a 64-bit number": (good[: directory + 42] + b"\xff" * 4 + good[directory + 46 :], "lacks a 64-bit number"),
        "nothing": (b"", "it is not a zip archive"),
        "another format": (b"7z\xbc\xaf\x27\x1c" + bytes(100), "it is not a zip archive"),
        "a volume": (craft([Entry(b"a.png")], disk=2), "one volume of several; join them first"),
        "not UTF-8": (craft([Entry(b"\xff\xfe.png", flags=0x800)]), "which should be UTF-8"),
    }
    for content, message in cases.values():
        path.write_bytes(content)
        with pytest.raises(ArchiveError, match=message):
            read_bytes(path / "a.png")


def test_a_header_that_is_another_members(write):
    path = write(Entry(b"a.png", local_name=b"b.png"))
    with pytest.raises(ArchiveError, match=r"a\.png does not stand where the directory says"):
        read_bytes(path / "a.png")


def test_a_header_with_long_fields(write):
    path = write(Entry(b"a.png", b"x" * 500, local_extra=struct.pack("<2H", 0x9999, 300) + bytes(300)), Entry(b"b.png"))
    assert read_bytes(path / "a.png") == b"x" * 500
    assert read_bytes(path / "b.png") == b"content"


def test_names_in_other_alphabets(write):
    unmarked = Entry("möbel/стол.png".encode(), b"1")  # UTF-8 without the flag, as macOS writes it
    decomposed = Entry("cafe\u0301.png".encode(), b"2", flags=0x800)
    dos = Entry("Straße.png".encode("cp437"), b"3")
    backslashes = Entry(b"data\\deep\\1.png", b"4")
    path = write(unmarked, decomposed, dos, backslashes)
    assert sorted(list_names(path)) == ["Straße.png", "café.png", "data", "möbel"]
    names = ["möbel/стол.png", "café.png", "Straße.png", "data/deep/1.png"]
    assert [read_bytes(f"{path}/{name}") for name in names] == [b"1", b"2", b"3", b"4"]
    assert read_bytes(f"{path}/cafe\u0301.png") == b"2"


def test_threads_where_the_system_has_no_reading_at_an_offset(write, monkeypatch):
    contents = [bytes([n]) * 5000 for n in range(20)]
    path = write(*[Entry(b"%d.png" % n, content) for n, content in enumerate(contents)])
    monkeypatch.delattr(os, "pread")  # as on Windows
    archive = Archive(str(path))
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda n: archive.read(f"{n % 20}.png"), range(400)))
    assert found == contents * 20


@pytest.mark.parametrize("prefix", [b"", b"something before the archive"])
@pytest.mark.parametrize("marked", [False, True])
def test_zip64(tmp_path, monkeypatch, marked, prefix):
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 2)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", allowZip64=True) as file:
        with file.open("large.png", "w", force_zip64=True) as member:
            member.write(b"large")
        for n in range(3):
            file.writestr(f"{n}.png", f"content {n}")
    content = bytearray(prefix + buffer.getvalue())
    assert b"PK\x06\x06" in content
    if marked:  # the numbers stand in the wide record alone
        end = content.index(b"PK\5\6")
        content[end + 8 : end + 20] = b"\xff" * 12
    path = tmp_path / "a.zip"
    path.write_bytes(bytes(content))
    archive = Archive(str(path))
    assert list(archive.directory) == ["large.png", "0.png", "1.png", "2.png"]
    assert [archive.read(name) for name in ("large.png", "0.png", "2.png")] == [b"large", b"content 0", b"content 2"]
    path.write_bytes(bytes(content).replace(b"PK\x06\x06", b"PK\x06\x05"))
    with pytest.raises(ArchiveError, match="zip64 end record is missing"):
        Archive(str(path))


def test_64_bit_sizes_and_offsets(write):
    # Every number in the further field, as programs write it that do not know the sizes in advance.
    wide = 0xFFFFFFFF
    field = struct.pack("<2H3Q", 1, 24, 7, 7, 30 + len(b"first.pngcontent"))
    other = struct.pack("<2HQ", 0x5455, 8, 0)
    second = Entry(b"a.png", size=wide, packed_size=wide, offset=wide, extra=other + field, local_extra=field)
    path = write(Entry(b"first.png"), second)
    assert read_bytes(path / "a.png") == b"content"
    assert read_bytes(path / "first.png") == b"content"


def test_more_members_than_an_old_program_can_count(tmp_path):
    names = [b"%d" % n for n in range(65_540)]
    path = tmp_path / "a.zip"
    path.write_bytes(craft([Entry(name, b"") for name in names[:100]], count=100))
    assert len(Archive(str(path)).directory) == 100
    directory = b"".join(
        struct.pack("<4s6H3L5H2L", b"PK\1\2", 0, 20, 0, 0, 0, 0, 0, 0, 0, len(n), 0, 0, 0, 0, 0, 40 * i) + n
        for i, n in enumerate(names)
    )
    found = Directory(directory, Extent(40 * len(names), len(directory), 4, 0))  # 65540 modulo 65536
    assert len(found) == 65_540
    assert found.find("65539").offset == 40 * 65_539


def test_the_directory_is_compact():
    names = [b"data_1/Fg-Bg/fg-bg%06d.jpg" % n for n in range(20_000)]
    content = b"".join(
        struct.pack("<4s6H3L5H2L", b"PK\1\2", 0, 20, 0, 0, 0, 0, 0, 9, 9, len(n), 0, 0, 0, 0, 0, 99 * i) + n
        for i, n in enumerate(names)
    )
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    directory = Directory(content, Extent(99 * len(names), len(content), len(names), 0))
    added = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert len(directory) == 20_000
    assert added < 20 * len(names)  # beside the bytes of the directory itself


def test_limits_travel_to_processes_that_start(limits):
    limits(max_member=12_345, max_ratio=7.5)
    command = "from fgbgnet.data.zips.limits import archive_limits; print(archive_limits())"
    printed = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == repr(archive_limits())
    assert "max_member=12345, max_ratio=7.5" in printed


def test_wrong_limits(limits, monkeypatch):
    for value in (0, -1, float("nan")):
        with pytest.raises(InvalidArgumentError, match=r"max_ratio is .*expected a positive number"):
            limits(max_ratio=value)
    for value in ("1 GB", "-5"):
        monkeypatch.setenv("FGBGNET_ARCHIVE_MAX_MEMBER", value)
        with pytest.raises(InvalidArgumentError, match=f"FGBGNET_ARCHIVE_MAX_MEMBER is '{value}'; expected a positive"):
            limits(max_ratio=100)
    monkeypatch.delenv("FGBGNET_ARCHIVE_MAX_MEMBER")

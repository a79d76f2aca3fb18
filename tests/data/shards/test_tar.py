import io
import tarfile

import pytest
from hypothesis import given, strategies as st

from fgbgnet.data.shards.tar import BadTarError, TarReader

FORMATS = st.sampled_from([tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
STEPS = st.text("ab.é世 ", min_size=1, max_size=60).filter(lambda step: step.strip(". "))
FILES = st.lists(
    st.tuples(st.lists(STEPS, min_size=1, max_size=4).map("/".join), st.binary(max_size=1300), st.booleans()),
    max_size=6,
)


def write(files, **settings):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", **settings) as archive:
        for name, content in files:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return out.getvalue()


class Dripping(io.RawIOBase):
    """A stream that gives less than was asked for, and cannot go back."""

    def __init__(self, content):
        self._rest = content

    def read(self, size=-1):
        given, self._rest = self._rest[: min(size, 700)], self._rest[min(size, 700) :]
        return given


def read(content):
    reader = TarReader(Dripping(content))
    return [(member.name, reader.content()) for member in reader if member.is_file]


@given(files=FILES, form=FORMATS, packing=st.sampled_from(["", "gz", "bz2", "xz"]))
def test_reads_what_tarfile_writes(files, form, packing):
    out = io.BytesIO()
    kept = []
    with tarfile.open(fileobj=out, mode=f"w:{packing}", format=form) as archive:
        for name, content, wanted in files:
            member = tarfile.TarInfo(name)
            member.size, member.uname = len(content), "müller"
            try:
                archive.addfile(member, io.BytesIO(content))
            except ValueError:  # too long a name for the oldest format
                continue
            kept.append((name, content, wanted))
    reader = TarReader(Dripping(out.getvalue()))
    found = []
    for (_, _, wanted), member in zip(kept, reader, strict=True):
        found.append((member.name, reader.content() if wanted else None))
    assert found == [(name, content if wanted else None) for name, content, wanted in kept]


def test_members_that_are_no_files():
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, kind in [("folder", tarfile.DIRTYPE), ("link", tarfile.SYMTYPE), ("pipe", tarfile.FIFOTYPE)]:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "x" * 200
            archive.addfile(member)
        archive.addfile(tarfile.TarInfo("file"))
    members = list(TarReader(Dripping(out.getvalue())))
    assert [(m.name.rstrip("/"), m.is_file, m.is_folder) for m in members] == [
        ("folder", False, True), ("link", False, False), ("pipe", False, False), ("file", True, False),
    ]  # fmt: skip


def test_large_numbers():
    # Too many digits for the field: GNU tar writes bytes, the newer format a further field.
    member = tarfile.TarInfo("a")
    member.size = 9 * 2**30
    for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        assert next(iter(TarReader(Dripping(member.tobuf(form))))).size == member.size


def test_archives_that_are_joined():
    # As of "cat a.tar b.tar": the samples of all but the first would be passed over without a word.
    one = write([("a", b"1")])
    with pytest.raises(BadTarError, match="more follows behind its end; archives must be given one by one"):
        read(one + write([("b", b"2")]))
    assert read(one + bytes(5000)) == [("a", b"1")]


def test_wrong_archives():
    whole = write([("x" * 150, b"1")], format=tarfile.PAX_FORMAT)
    fields = whole.index(b"path=")
    large = tarfile.TarInfo("a")
    large.size, large.type = 2**30, tarfile.XHDTYPE
    sparse = tarfile.TarInfo("a")
    sparse.type = tarfile.GNUTYPE_SPARSE
    cases = [
        (b"", "it has 0 bytes"),
        (b"no archive " * 100, "instead of a number"),
        (whole[:fields] + b"path:" + whole[fields + 5 :], "further fields of a member are damaged"),
        (large.tobuf(), "further fields have 1073741824 bytes"),  # and no memory is taken for them
        (sparse.tobuf(), "sparse member"),
    ]
    for content, message in cases:
        with pytest.raises(BadTarError, match=message):
            read(content)

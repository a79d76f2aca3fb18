"""The command that audits data."""

from pathlib import Path

from fgbgnet.errors import InvalidArgumentError
from fgbgnet.files import check_output


def check(
    manifest: str,
    json: str | None = None,
    html: str | None = None,
    repair: str | None = None,
    limit: int | None = None,
    num_workers: int | None = None,
) -> int:
    """Audit the quadruples of a manifest: wrong pairs, masks that are none, bad depth, leaks.

    The exit code is 1 if there is an error or a warning, and 0 if there are none but notes.

    Args:
        manifest: manifest.csv of the data.
        json: File for the findings with all ids.
        html: File for a page with the worst pictures of each finding.
        repair: File for a new manifest with what is proven put right; it must not exist yet.
        limit: Look at so many samples only, spread evenly.
        num_workers: Processes; by default one for each CPU.
    """
    from fgbgnet.data import Manifest
    from fgbgnet.data.audit import check_manifest
    from fgbgnet.data.audit.repair import check_repair_output
    from fgbgnet.files import write_json

    table = Manifest.read(manifest)
    _check_outputs(manifest, {"--json": json, "--html": html, "--repair": repair})
    if repair is not None:
        check_repair_output(repair)
    audit = check_manifest(table, limit=limit, num_workers=num_workers)
    print(audit.summary())
    if json is not None:
        print(f"Wrote {write_json(json, audit.to_json())}")
    if html is not None:
        print(f"Wrote {audit.write_page(html)}")
    if repair is not None:
        repaired = audit.repaired(repair)
        print(f"Wrote {repair}: {len(repaired)} of {len(table)} rows")
    return 0 if audit.ok else 1


def _check_outputs(manifest: str, outputs: dict[str, str | None]) -> None:
    """Asks before the audit whether its results can be written, and that none of them is the audited file."""
    source = Path(manifest)
    taken = {(source / "manifest.csv" if source.is_dir() else source).resolve(): "the audited manifest"}
    for option, out in outputs.items():
        if out is None:
            continue
        check_output(out, folder=False)
        place = Path(out).resolve()
        if place in taken:
            raise InvalidArgumentError(f"{option} {out} is {taken[place]}; choose another file")
        taken[place] = f"the file of {option}, too"


__all__ = ["check"]

"""The table of encoders, made from ``results/models/encoders.csv``."""

import csv
from collections import defaultdict

from synth_tables import NOT_YET, _table


def families(folder):
    """What became of the encoders of every family; models of timm without a pyramid are counted, not listed."""
    path = folder / "encoders.csv"
    if not path.exists():
        return NOT_YET
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    flat = [row for row in rows if "no pyramid" in row["error"]]
    groups = defaultdict(list)
    for row in rows:
        if "no pyramid" not in row["error"]:
            groups[row["source"], row["family"]].append(row)
    table = [[source, f"`{family}`", *_figures(members)] for (source, family), members in sorted(groups.items())]
    tried = [row for members in groups.values() for row in members]
    head = ["source", "family", "encoders", "work", "shapes only", "can be split", "difference", "what failed"]
    return "\n\n".join(
        [
            "```bash\npython examples/benchmarks/encoders.py --out docs/results/models/encoders.csv --table\n```",
            f"{len(tried)} encoders tried, and {len(flat)} models of timm that have no pyramid. *Shapes only*: so "
            "large that it was run on torch's meta device. *Difference*: the largest between the split encoder and "
            "the library's own forward, over features and gradients. "
            "{download}`All rows <../results/models/encoders.csv>`.",
            _table(head, [["", "**all**", *_figures(tried)], *table]),
        ]
    )


def _figures(rows):
    working = [row for row in rows if row["works"] == "yes"]
    differences = [float(row["difference"]) for row in working if row["difference"]]
    reasons = sorted({row["error"] for row in rows if row["works"] != "yes"})
    return [
        str(len(rows)),
        str(len(working)),
        str(sum(row["device"] == "meta" for row in working) or ""),
        str(sum(row["splittable"] == "yes" for row in working) or ""),
        f"{max(differences):g}" if differences else "",
        "; ".join(reasons).replace("|", "\\|") if len(reasons) < 4 else f"{len(reasons)} reasons",
    ]


TABLES = {"encoder families": families}

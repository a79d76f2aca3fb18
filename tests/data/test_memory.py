import subprocess
import sys

import pytest

CODE = """
import resource, sys
import numpy as np
from fgbgnet.data.memory import keep_freed_memory

if sys.argv[1] == "keep":
    keep_freed_memory()

def work():
    return sum(block.sum() for block in [np.ones(1 << 19, np.uint8) for _ in range(12)])

work(), work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    work()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="of glibc")
def test_pages_are_not_mapped_again_and_again():
    faults = {
        how: int(subprocess.run([sys.executable, "-c", CODE, how], capture_output=True, text=True, check=True).stdout)
        for how in ("keep", "plain")
    }
    assert faults["keep"] * 10 < faults["plain"] or faults["plain"] < 100  # another allocator

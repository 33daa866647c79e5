"""`python -m framewire`: the framewire binary, in this process.

Not here: its commands, which are native.
"""

import sys

from framewire import _core

if __name__ == "__main__":
    sys.exit(_core.main(["framewire", *sys.argv[1:]]))

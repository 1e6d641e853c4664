"""The tests. Where Python may write no bytecode, they keep it in a folder of this run.

With PYTHONDONTWRITEBYTECODE each of the many processes that tests start would compile dlt anew,
which takes two seconds. Workers and processes inherit the folder by the variable.
"""

import atexit
import os
import shutil
import sys
import tempfile

if sys.dont_write_bytecode and sys.pycache_prefix is None:
    _started_by = os.getpid()
    _folder = tempfile.mkdtemp(prefix="dataverse-tests-bytecode-")

    def _remove() -> None:
        if os.getpid() == _started_by:  # not in a process that was forked
            shutil.rmtree(_folder, ignore_errors=True)

    atexit.register(_remove)
    os.environ["PYTHONPYCACHEPREFIX"] = sys.pycache_prefix = _folder
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False

"""Keys for tests of encryption, made up at each run."""

import base64
import os

OLD, NEW, INDEX = (f"{kid}:{base64.b64encode(os.urandom(32)).decode()}" for kid in ("old-1", "new-2", "index-1"))

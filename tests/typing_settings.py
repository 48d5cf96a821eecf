"""Settings for the type checker, which only wants to know what there is: nothing is started or reached."""

import os
from pathlib import Path

from sandbox import generated

os.environ |= {
    **generated.settings_for(
        8000, folder=Path("var/typing"), utility_ports={generated.UTILITY_A: 8001}, staff_port=8007
    ),
    "DATABASE_URL": "postgresql://nobody@127.0.0.1/nothing",
    "SETTINGS_FILE": "",
}

from config.settings import *  # noqa: F403
